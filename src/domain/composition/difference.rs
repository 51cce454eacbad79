//! What an edit did to an issue, in words.

use super::Composition;

/// What steps call a picture's words.
const ALT: &str = "alternative text";

/// What an edit did, in words: "put “Ferry” in", "changed the subject". Empty where nothing differs.
pub fn difference(before: &Composition, after: &Composition, title: &dyn Fn(i64) -> String) -> Vec<String> {
    let mut said = vec![];
    let ids = |of: &Composition| of.places.iter().map(|place| place.article_id).collect::<Vec<_>>();
    let (old, new) = (ids(before), ids(after));
    said.extend(new.iter().filter(|id| !old.contains(id)).map(|id| format!("put “{}” in", title(*id))));
    said.extend(old.iter().filter(|id| !new.contains(id)).map(|id| format!("took “{}” out", title(*id))));
    let stayed: Vec<i64> = old.iter().copied().filter(|id| new.contains(id)).collect();
    let now: Vec<i64> = new.iter().copied().filter(|id| old.contains(id)).collect();
    said.extend(moved(&stayed, &now, title));
    said.extend(headings(before, after));
    if said.is_empty() {
        said.extend(moved_headings(before, after, title));
    }
    for id in now {
        let (Some(was), Some(is)) = (before.place(id), after.place(id)) else { continue };
        for (what, was, is) in [
            ("headline", &was.headline, &is.headline),
            ("summary", &was.summary, &is.summary),
            (ALT, &was.image_alt, &is.image_alt),
        ] {
            match is {
                _ if was == is => {}
                Some(text) if text.is_empty() && what == ALT => {
                    said.push(format!("said that the picture of “{}” is decorative", title(id)));
                }
                Some(_) => said.push(format!("wrote the {what} of “{}”", title(id))),
                None => said.push(format!("went back to the article's own {what} of “{}”", title(id))),
            }
        }
    }
    if before.introduction != after.introduction {
        said.push("changed the introduction".to_owned());
    }
    if before.subject != after.subject {
        said.push("changed the subject".to_owned());
    }
    if before.preheader != after.preheader {
        said.push("changed the preheader".to_owned());
    }
    if before.edited && !after.edited {
        said.push("let it fill by itself again".to_owned());
    }
    said
}

fn moved(before: &[i64], after: &[i64], title: &dyn Fn(i64) -> String) -> Option<String> {
    let differs: Vec<usize> = (0..before.len()).filter(|index| before[*index] != after[*index]).collect();
    let (first, last) = (*differs.first()?, *differs.last()?);
    let went_up = before[last] == after[first] && before[first..last] == after[first + 1..=last];
    let went_down = before[first] == after[last] && before[first + 1..=last] == after[first..last];
    Some(match (went_up, went_down) {
        (true, _) if first == 0 => format!("moved “{}” to the top", title(after[first])),
        (true, _) => format!("moved “{}” up", title(after[first])),
        (_, true) => format!("moved “{}” down", title(after[last])),
        _ => "changed the order".to_owned(),
    })
}

fn headings(before: &Composition, after: &Composition) -> Vec<String> {
    let all = |of: &Composition| -> Vec<String> {
        of.places.iter().filter_map(|place| place.heading.clone()).collect()
    };
    let (old, new) = (all(before), all(after));
    let mut said: Vec<String> = vec![];
    said.extend(
        new.iter().filter(|name| !old.contains(name)).map(|name| format!("wrote the heading “{name}”")),
    );
    said.extend(
        old.iter().filter(|name| !new.contains(name)).map(|name| format!("removed the heading “{name}”")),
    );
    said
}

/// What became of the same headings over the same articles in the same order. That one article went over a heading, or
/// the heading over it, is one and the same: it is told of the article, for which it decides the section.
fn moved_headings(
    before: &Composition,
    after: &Composition,
    title: &dyn Fn(i64) -> String,
) -> Option<String> {
    let (was, is) = (before.sections(), after.sections());
    let differs: Vec<usize> = (0..is.len()).filter(|index| was.get(*index) != is.get(*index)).collect();
    let one = match differs[..] {
        [] => {
            let above =
                |of: &Composition| of.places.iter().map(|place| place.heading.clone()).collect::<Vec<_>>();
            return (above(before) != above(after)).then(|| "moved a heading".to_owned());
        }
        [one] => one,
        _ => {
            let mut names: Vec<&str> =
                differs.iter().filter_map(|index| is[*index].or(was[*index])).collect();
            names.dedup();
            return Some(match names[..] {
                [name] => format!("moved the heading “{name}”"),
                _ => "moved headings".to_owned(),
            });
        }
    };
    let title = title(after.places[one].article_id);
    Some(match (was[one], is[one]) {
        (Some(from), None) => format!("moved “{title}” above the heading “{from}”"),
        (Some(from), Some(to)) => format!("moved “{title}” from “{from}” to “{to}”"),
        (None, to) => format!("moved “{title}” below the heading “{}”", to.unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{composition, moving};
    use super::super::{Field, Item, YES, shift};
    use super::*;

    #[test]
    fn an_edit_is_told_in_words() {
        let title = |id: i64| format!("Story {id}");
        let told = |before: &Composition, after: &Composition| difference(before, after, &title).join("; ");
        let before = composition(&[(1, None), (2, None), (3, Some("World")), (4, None)]);
        assert_eq!(told(&before, &before), "");
        let mut after = before.clone();
        after.lead_with(4);
        assert_eq!(told(&before, &after), "moved “Story 4” to the top");
        after.put(5, &[]);
        after.take_out(2);
        after.subject = Some("Hello".to_owned());
        let words = "put “Story 5” in; took “Story 2” out; moved “Story 4” to the top; changed the subject";
        assert_eq!(told(&before, &after), words);
        let mut after = before.clone();
        after.set(Field::Headline(2), Some("Shorter".to_owned()));
        after.set(Field::Heading(3), Some("Abroad".to_owned()));
        assert_eq!(
            told(&before, &after),
            "wrote the heading “Abroad”; removed the heading “World”; wrote the headline of “Story 2”"
        );
        let mut after = before.clone();
        after.set(Field::Alt(1), Some("A harbour".to_owned()));
        after.set(Field::Decorative(2), Some(YES.to_owned()));
        assert_eq!(
            told(&before, &after),
            "wrote the alternative text of “Story 1”; said that the picture of “Story 2” is decorative"
        );
        assert_eq!(moving(&before, Item::Article(2), 2), "1 World 3 2 4");
    }

    #[test]
    fn an_article_that_goes_over_a_heading_is_told_by_its_section() {
        let title = |id: i64| format!("Story {id}");
        let before = composition(&[(1, None), (2, None), (3, Some("World")), (4, None), (5, Some("Sport"))]);
        let told = |item: Item, by: isize| {
            let (mut items, mut after) = (before.items(), before.clone());
            shift(&mut items, item, by);
            after.arrange(&items);
            difference(&before, &after, &title).join("; ")
        };
        assert_eq!(told(Item::Article(3), -1), "moved “Story 3” above the heading “World”");
        assert_eq!(told(Item::Article(2), 1), "moved “Story 2” below the heading “World”");
        assert_eq!(told(Item::Article(4), 1), "moved “Story 4” from “World” to “Sport”");
        assert_eq!(told(Item::Heading(3), -1), "moved “Story 2” below the heading “World”");
        // A section that is left without an article is told as what it is.
        assert_eq!(told(Item::Article(5), -1), "removed the heading “Sport”");
        let before = composition(&[(1, None), (2, Some("World")), (3, None), (4, None)]);
        let after = composition(&[(1, None), (2, None), (3, None), (4, Some("World"))]);
        assert_eq!(difference(&before, &after, &title), ["moved the heading “World”"]);
    }
}
