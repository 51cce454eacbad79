//! Where things stand in an issue, as an editor's page shows it; and what becomes of it where somebody else changed the
//! issue meanwhile.

use std::collections::BTreeMap;

use super::{Composition, Field, Item, Place};

/// Everything that a page says of where things stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// What stands one below the other; empty: as it is.
    pub items: Vec<Item>,
    /// What each heading's field holds, by the article below it, changed or not; none: what is stored stays. An article
    /// that is not named has no heading.
    pub headings: BTreeMap<i64, Option<String>>,
}

impl Layout {
    pub fn remove_heading(&mut self, article_id: i64) {
        self.items.retain(|item| *item != Item::Heading(article_id));
        self.headings.insert(article_id, Some(String::new()));
    }
}

impl Composition {
    /// Lays articles and headings out as a page shows them: nothing moves under an editor's hands, whatever came
    /// meanwhile. The heading above an article that may not stand there goes to what is below it.
    pub fn lay_out(&mut self, layout: &Layout, may_stand: &dyn Fn(i64) -> bool) {
        for item in &layout.items {
            match item {
                // Its heading needs a place, until it is known what stands below it.
                Item::Article(id) | Item::Heading(id) => self.put(*id, &[]),
            }
        }
        for place in &mut self.places {
            match layout.headings.get(&place.article_id) {
                Some(Some(text)) => place.heading = Some(text.clone()).filter(|text| !text.is_empty()),
                None if !layout.items.is_empty() => place.heading = None,
                Some(None) | None => {}
            }
        }
        if layout.items.is_empty() {
            return;
        }
        let stands = |item: &Item| match item {
            Item::Article(id) => may_stand(*id),
            Item::Heading(_) => true,
        };
        let items: Vec<Item> = layout.items.iter().copied().filter(stands).collect();
        self.arrange(&items);
    }

    fn ids(&self) -> impl Iterator<Item = i64> {
        self.places.iter().map(|place| place.article_id)
    }

    fn heading(&self, article_id: i64) -> Option<&str> {
        self.own(Field::Heading(article_id))
    }
}

/// Whose order a merged issue stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It is the stored one: the second moved nothing, or the same as the first.
    Agreed,
    /// It is the second's: nobody else moved articles.
    Mine,
    /// It is the second's, and the first moved articles, too.
    MineOverTheirs,
}

/// What two editors made of an issue at once, brought together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// What the first stored, with the second's order and headings where they changed them.
    pub composition: Composition,
    pub order: Order,
    /// The first's headings where both changed one, by the article below it.
    pub theirs: BTreeMap<i64, String>,
    /// Headings that one of the two wrote and that stand nowhere any more, by the article that they were for.
    pub lost: Vec<(i64, String)>,
}

/// Brings together what is stored (`theirs`) and what a second editor's page shows (`mine`). `base` is what the second
/// began with; where that is no longer known, whatever differs counts as changed by both.
pub fn merge(base: Option<&Composition>, mine: &Composition, theirs: &Composition) -> Merged {
    let (order, ids) = merged_order(base, mine, theirs);
    let mut composition = theirs.clone();
    composition.places = ids.into_iter().filter_map(|id| theirs.place(id).cloned()).collect();
    let mut clashes = BTreeMap::new();
    for place in &mut composition.places {
        let id = place.article_id;
        if mine.place(id).is_none() {
            continue;
        }
        let (own, stored) = (mine.heading(id), place.heading.take());
        let before = base.map(|base| base.heading(id));
        let is_mine = before != Some(own);
        let is_theirs = before != Some(stored.as_deref());
        place.heading = if is_mine { own.map(str::to_owned) } else { stored.clone() };
        if let Some(text) = stored.filter(|text| is_mine && is_theirs && own != Some(text)) {
            clashes.insert(id, text);
        }
    }
    composition.settle();
    let stands = |text: &str| {
        composition.places.iter().any(|place| place.heading.as_deref() == Some(text))
            || clashes.values().any(|heading| heading == text)
    };
    let wrote = |place: &Place| {
        let text = place.heading.as_deref()?;
        let was = base.and_then(|base| base.heading(place.article_id));
        (was != Some(text) && !stands(text)).then(|| (place.article_id, text.to_owned()))
    };
    let mut lost: Vec<(i64, String)> = mine.places.iter().chain(&theirs.places).filter_map(wrote).collect();
    lost.dedup();
    Merged { order, theirs: clashes, lost, composition }
}

/// The articles that are stored, and in whose order: what both have stands as the second has it where they moved any,
/// and what only the first put in stays at the place where it is.
fn merged_order(base: Option<&Composition>, mine: &Composition, theirs: &Composition) -> (Order, Vec<i64>) {
    let own: Vec<i64> = mine.ids().filter(|id| theirs.place(*id).is_some()).collect();
    let stored: Vec<i64> = theirs.ids().filter(|id| mine.place(*id).is_some()).collect();
    if own == stored {
        return (Order::Agreed, theirs.ids().collect());
    }
    let has_moved = |order: &[i64]| {
        base.is_none_or(|base| {
            let was = base.ids().filter(|id| order.contains(id));
            was.ne(order.iter().copied().filter(|id| base.place(*id).is_some()))
        })
    };
    if !has_moved(&own) {
        return (Order::Agreed, theirs.ids().collect());
    }
    let order = if has_moved(&stored) { Order::MineOverTheirs } else { Order::Mine };
    let mut own = own.into_iter();
    let ids = theirs.ids().filter_map(|id| if stored.contains(&id) { own.next() } else { Some(id) });
    (order, ids.collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{composition, shown};
    use super::*;

    fn layout(items: &str, headings: &[(i64, &str)]) -> Layout {
        let heading = |(id, text): &(i64, &str)| (*id, Some((*text).to_owned()));
        Layout {
            items: items.split(' ').filter_map(Item::parse).collect(),
            headings: headings.iter().map(heading).collect(),
        }
    }

    fn laid_out(before: &Composition, layout: &Layout) -> String {
        let mut after = before.clone();
        after.lay_out(layout, &|id| id < 100);
        shown(&after)
    }

    #[test]
    fn an_issue_is_laid_out_as_the_page_shows_it_whatever_came_meanwhile() {
        // Ferry led when the page was made; since then a storm came, and topics were sorted anew.
        let page = layout("1 h2 2 h3 3", &[(2, "World"), (3, "Sport")]);
        let now = composition(&[(9, None), (1, Some("World")), (2, None), (3, Some("Sport"))]);
        assert_eq!(laid_out(&now, &page), "1 World 2 Sport 3");
        // What was taken out of the issue meanwhile comes back; what may not stand there leaves its heading.
        assert_eq!(laid_out(&composition(&[(9, None)]), &page), "1 World 2 Sport 3");
        let held = layout("1 h200 200 3", &[(200, "World")]);
        assert_eq!(laid_out(&composition(&[(1, None), (3, None)]), &held), "1 World 3");
        // A page without a list says nothing of order.
        assert_eq!(laid_out(&now, &layout("", &[])), "9 World 1 2 Sport 3");
    }

    #[test]
    fn a_heading_that_was_moved_can_be_moved_again_and_removed() {
        let before = composition(&[(1, None), (2, None), (3, Some("World")), (4, None)]);
        let mut page = layout("1 h3 2 3 4", &[(2, ""), (3, "World"), (4, "")]);
        let mut after = before.clone();
        after.lay_out(&page, &|_| true);
        assert_eq!(shown(&after), "1 World 2 3 4");
        // The page goes on to call it by the article that it stood above.
        page.items = layout("1 2 3 h3 4", &[]).items;
        assert_eq!(laid_out(&after, &page), "1 2 3 World 4");
        page.remove_heading(3);
        assert_eq!(laid_out(&after, &page), "1 2 3 4");
    }

    #[test]
    fn a_second_editors_order_is_kept_with_what_the_first_put_in() {
        let base = composition(&[(1, None), (2, None), (3, Some("World")), (4, None)]);
        let mine = composition(&[(2, None), (1, None), (3, Some("World")), (4, None)]);
        // They took 4 out, and put 5 in after the lead.
        let theirs = composition(&[(1, None), (5, None), (2, None), (3, Some("World"))]);
        let merged = merge(Some(&base), &mine, &theirs);
        assert_eq!((shown(&merged.composition).as_str(), merged.order), ("2 5 1 World 3", Order::Mine));
        // Who moved nothing keeps the other's order.
        let merged = merge(Some(&base), &base, &mine);
        assert_eq!((merged.composition, merged.order), (mine.clone(), Order::Agreed));
        // Both moved: it is told.
        let theirs = composition(&[(4, None), (1, None), (2, None), (3, Some("World"))]);
        let merged = merge(Some(&base), &mine, &theirs);
        assert_eq!(
            (shown(&merged.composition).as_str(), merged.order),
            ("2 1 World 3 4", Order::MineOverTheirs)
        );
        assert_eq!(merge(None, &mine, &theirs).order, Order::MineOverTheirs);
    }

    #[test]
    fn no_heading_of_two_editors_is_lost_silently() {
        let base = composition(&[(1, None), (2, Some("World")), (3, Some("Sport")), (4, None)]);
        let mine =
            composition(&[(1, None), (2, Some("Abroad")), (3, Some("Sport")), (4, Some("Last, not least"))]);
        // Where one alone wrote, theirs stands; where both did, both are told.
        let theirs = composition(&[(1, None), (2, Some("Far away")), (3, Some("Games")), (4, None)]);
        let merged = merge(Some(&base), &mine, &theirs);
        assert_eq!(shown(&merged.composition), "1 Abroad 2 Games 3 Last, not least 4");
        assert_eq!(merged.theirs, BTreeMap::from([(2, "Far away".to_owned())]));
        assert!(merged.lost.is_empty());
        // The article is out, or leads and has no heading: what was written for it is told.
        let theirs = composition(&[(2, None), (1, None), (3, Some("Sport"))]);
        let merged = merge(Some(&base), &mine, &theirs);
        assert_eq!(shown(&merged.composition), "2 Abroad 1 Sport 3");
        assert_eq!(merged.lost, [(4, "Last, not least".to_owned())]);
        let theirs = composition(&[(2, None), (3, Some("Sport")), (1, None)]);
        let lost = merge(Some(&base), &mine, &theirs).lost;
        assert_eq!(lost, [(2, "Abroad".to_owned()), (4, "Last, not least".to_owned())]);
    }
}
