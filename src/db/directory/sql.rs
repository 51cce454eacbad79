//! A filter → the road that a walk takes: an index to go along, and what is looked at on the way.

use super::super::dialect::Dialect;
use super::condition::{Condition, Text};
use super::{Filter, State, Value};
use crate::domain::search::Term;

/// An index to go along, and what is looked at on the way.
#[derive(Clone, Debug)]
pub struct Road {
    /// The table that the index is of, with its letter: `s` subscribers, `t` subscriptions, `x` suppressions, `g` tags.
    from: &'static str,
    /// What the index is ordered by, behind what `within` says.
    order: (String, &'static str),
    /// Which of these two are texts.
    pub texts: (bool, bool),
    /// What the index decides, before its order.
    within: Vec<Condition>,
    /// From where on the first value of the order is, and before where, as far as the index decides that too.
    bounds: Bounds,
    /// What is looked at besides.
    besides: Vec<Condition>,
}

/// A value, or later; and before a value.
type Bounds = (Option<Value>, Option<Value>);

/// Which entries of a road are meant.
#[derive(Clone, Copy, Debug)]
pub enum Stretch<'v> {
    All,
    /// Those whose first value is that of a place, behind (or before) the second.
    ///
    /// An import writes one time for all its people, so this can be most of a road. The comparison of both values at once,
    /// `(a, b) < (x, y)`, would say the same as both stretches; but SQLite goes by its second half in no index where `b` is
    /// the table's own number, and reads everybody who came at that time.
    Beside(&'v Value, &'v Value),
    /// Those whose first value is behind (or before) that of a place.
    Beyond(&'v Value),
    /// Those of these people, from a place on. They are few, wherever on the road they are.
    Of(&'v People, Option<(&'v Value, &'v Value)>),
}

/// People by their numbers.
#[derive(Clone, Debug)]
pub struct People {
    dialect: Dialect,
    /// As JSON.
    list: Value,
}

impl People {
    pub fn new(dialect: Dialect, ids: &[i64]) -> Self {
        let list = serde_json::to_string(ids).expect("numbers are JSON");
        Self { dialect, list: Value::Text(list) }
    }
}

impl Road {
    fn of_people(within: Vec<Condition>) -> Self {
        Self {
            from: "subscribers s",
            order: ("s.created_at".to_owned(), "s.id"),
            texts: (false, false),
            within,
            bounds: (None, None),
            besides: vec![],
        }
    }

    fn of_ties(within: Vec<Condition>) -> Self {
        Self {
            from: "subscriptions t",
            order: ("t.created_at".to_owned(), "t.id"),
            ..Self::of_people(within)
        }
    }

    /// By domain, and the newest of one first.
    fn of_domain(dialect: Dialect, domain: &str) -> Self {
        let order = (dialect.domain("s.email"), "s.id");
        let bounds = (Some(Value::Text(domain.to_owned())), Some(Value::Text(past(domain))));
        Self { order, texts: (true, false), bounds, ..Self::of_people(vec![]) }
    }

    fn is_of_ties(&self) -> bool {
        self.from == "subscriptions t"
    }

    /// Whether every entry is somebody who is wanted.
    pub fn finds_all(&self) -> bool {
        self.besides.is_empty() && self.from != "suppressions x"
    }

    /// Whether other tables are asked for each entry.
    pub fn looks_up(&self) -> bool {
        self.from != "subscribers s" || self.besides.iter().any(|condition| condition.0.contains("SELECT"))
    }

    pub fn takes(&self, at: &(Value, Value)) -> bool {
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        (is_text(&at.0), is_text(&at.1)) == self.texts
    }

    fn direction(back: bool) -> (&'static str, &'static str) {
        if back { (">", "ASC") } else { ("<", "DESC") }
    }

    /// The entries of a stretch; of a stretch of the index, in the order of the walk.
    fn entries(&self, text: &mut Text, stretch: Stretch<'_>, back: bool, columns: &str) -> String {
        let Self { from, order: (a, b), .. } = self;
        let (sign, direction) = Self::direction(back);
        let mut conditions: Vec<String> = self.within.iter().map(|condition| condition.write(text)).collect();
        let (from, order) = match stretch {
            Stretch::Beside(first, second) => {
                let (first, second) = (text.put(first), text.put(second));
                conditions.push(format!("{a} = {first} AND {b} {sign} {second}"));
                ((*from).to_owned(), format!(" ORDER BY {b} {direction}"))
            }
            Stretch::All | Stretch::Beyond(_) => {
                conditions.extend(self.limits(text, stretch, sign));
                ((*from).to_owned(), format!(" ORDER BY {a} {direction}, {b} {direction}"))
            }
            Stretch::Of(people, place) => {
                conditions.extend(self.limits(text, stretch, sign));
                if let Some((first, second)) = place {
                    conditions.push(format!("({a}, {b}) {sign} ({}, {})", text.put(first), text.put(second)));
                }
                // A list as a table: its length is no matter to PostgreSQL, which looks up each of them.
                let ids = people.dialect.list(&text.put(&people.list));
                let (between, is_it) = match *from {
                    "subscribers s" => ("", "s.id = m.value"),
                    "subscriptions t" => ("", "t.subscriber_id = m.value"),
                    "suppressions x" => {
                        ("CROSS JOIN subscribers z ", "z.id = m.value AND x.email_hash = z.email_hash")
                    }
                    _ => ("", "g.subscriber_id = m.value"),
                };
                conditions.push(is_it.to_owned());
                (format!("{ids} m {between}CROSS JOIN {from}"), String::new())
            }
        };
        let conditions = match conditions.is_empty() {
            true => String::new(),
            false => format!("WHERE {}", conditions.join(" AND ")),
        };
        format!("SELECT {a} AS a, {b} AS b{columns} FROM {from} {conditions}{order}")
    }

    /// One limit for each side: of two, SQLite would begin at whichever it likes. A place is within the bounds.
    fn limits(&self, text: &mut Text, stretch: Stretch<'_>, sign: &str) -> Vec<String> {
        let a = &self.order.0;
        let (lower, upper) = (self.bounds.0.as_ref(), self.bounds.1.as_ref());
        let (lower, upper) = match (stretch, sign) {
            (Stretch::Beyond(value), ">") => (Some((">", value)), upper.map(|bound| ("<", bound))),
            (Stretch::Beyond(value), _) => (lower.map(|bound| (">=", bound)), Some(("<", value))),
            _ => (lower.map(|bound| (">=", bound)), upper.map(|bound| ("<", bound))),
        };
        let limits = lower.into_iter().chain(upper);
        limits.map(|(sign, value)| format!("{a} {sign} {}", text.put(value))).collect()
    }

    /// Whether a place's first value is within the road's bounds.
    pub fn bounds_hold(&self, first: &Value) -> bool {
        let (lower, upper) = &self.bounds;
        lower.as_ref().is_none_or(|bound| first >= bound) && upper.as_ref().is_none_or(|bound| first < bound)
    }

    /// The entries of a window that are wanted: people as `s`, their places as `a` and `b` of the letter returned. What
    /// is looked at of an entry's own table comes with the entry, so that no table is joined with itself.
    fn wanted(&self, text: &mut Text, stretch: Stretch<'_>, back: bool, window: i64) -> (String, char) {
        const PERSON: &str =
            ", s.id, s.email, s.email_hash, s.language, s.created_at, s.name_words, s.email_words";
        const TIE: &str = ", t.id, t.subscriber_id, t.newsletter_id, t.status, t.paused_until, t.topics, \
                           t.schedule_id, t.created_at";
        let (columns, letter, person) = match self.from {
            "subscribers s" => (PERSON, 's', None),
            "subscriptions t" => (TIE, 't', Some("s.id = t.subscriber_id")),
            "suppressions x" => ("", 'x', Some("s.email_hash = x.b")),
            _ => ("", 'g', Some("s.id = g.a")),
        };
        // Its values come first, as its places do.
        let mut entries = self.entries(text, stretch, back, columns);
        if !matches!(stretch, Stretch::Of(..)) {
            entries.push_str(&format!(" LIMIT {}", text.put(&Value::Int(window))));
        }
        let besides: String =
            self.besides.iter().map(|condition| format!(" AND {}", condition.write(text))).collect();
        let from = match person {
            None => format!("FROM ({entries}) s WHERE 1 = 1{besides}"),
            // `CROSS JOIN` keeps SQLite from turning the tables round.
            Some(is_it) => {
                format!("FROM ({entries}) {letter} CROSS JOIN subscribers s WHERE {is_it}{besides}")
            }
        };
        (from, letter)
    }

    pub fn find(&self, text: &mut Text, stretch: Stretch<'_>, back: bool, window: i64, limit: i64) -> String {
        let (_, direction) = Self::direction(back);
        let (wanted, letter) = self.wanted(text, stretch, back, window);
        let limit = text.put(&Value::Int(limit));
        format!(
            "SELECT {letter}.a, {letter}.b, s.id AS subscriber_id {wanted}
             ORDER BY {letter}.a {direction}, {letter}.b {direction} LIMIT {limit}"
        )
    }

    pub fn count(&self, text: &mut Text, stretch: Stretch<'_>, window: i64) -> String {
        let rows = match self.finds_all() {
            true if !matches!(stretch, Stretch::Of(..)) => {
                let entries = self.entries(text, stretch, false, "");
                format!("FROM ({entries} LIMIT {}) d", text.put(&Value::Int(window)))
            }
            _ => self.wanted(text, stretch, false, window).0,
        };
        format!("SELECT COUNT(*) AS people {rows}")
    }

    pub fn end(&self, text: &mut Text, stretch: Stretch<'_>, back: bool, window: i64) -> String {
        let entries = self.entries(text, stretch, back, "");
        format!("{entries} LIMIT 1 OFFSET {}", text.put(&Value::Int(window - 1)))
    }
}

/// What a road has decided already.
#[derive(Clone, Copy, Default)]
struct Decided {
    people: bool,
    newsletter: bool,
    state: bool,
    joined: bool,
    tag: bool,
    language: bool,
}

/// The road to the people whom a filter finds.
pub fn road(dialect: Dialect, filter: &Filter) -> Road {
    match filter.words.domain_alone() {
        Some(domain) if filter.is_by_domain() => Road::of_domain(dialect, domain),
        _ => {
            let known = filter.readers_only.map(is_no_stranger_to);
            let has = |term| has(dialect, term, known.as_ref());
            let terms: Vec<Condition> = filter.words.terms().iter().map(has).collect();
            main_road(filter, &terms)
        }
    }
}

/// Whether somebody gets a newsletter, or is of no other: see [`super::rows::Person::is_stranger_to`].
fn is_no_stranger_to(newsletter_id: i64) -> Condition {
    let gets = "(SELECT 1 FROM subscriptions v
         WHERE v.subscriber_id = s.id AND v.newsletter_id = {} AND v.status = 'active') = 1";
    let is_of_another =
        "(SELECT 1 FROM subscriptions v WHERE v.subscriber_id = s.id AND v.newsletter_id <> {} LIMIT 1)";
    Condition::any(vec![
        Condition::int(gets, newsletter_id),
        Condition::int(format!("{is_of_another} IS NULL"), newsletter_id),
    ])
}

/// Whether somebody has a term of a search; in their name only where they are `known` to whoever looks.
fn has(dialect: Dialect, term: &Term, known: Option<&Condition>) -> Condition {
    if let Some(domain) = &term.domain {
        let expression = dialect.domain("s.email");
        let values = vec![Value::Text(domain.clone()), Value::Text(past(domain))];
        return Condition(format!("{expression} >= {{}} AND {expression} < {{}}"), values);
    }
    let within =
        |words: &str| Condition::text(format!("{}({words}, {{}}) > 0", dialect.position()), &term.phrase);
    let named: Vec<Condition> = [within("s.name_words")].into_iter().chain(known.cloned()).collect();
    Condition::any(vec![Condition::all(named), within("s.email_words")])
}

/// What comes behind everything that begins so.
pub fn past(words: &str) -> String {
    format!("{words}\u{10ffff}")
}

/// The road along which those come whom the filter finds, the newest first; the rarer what it goes by, the better.
fn main_road(filter: &Filter, also: &[Condition]) -> Road {
    use State as S;
    let bounds = (
        filter.joined_from.map(|at| Value::Int(at.millis())),
        filter.joined_before.map(|at| Value::Int(at.millis())),
    );
    let way = (filter.tag_id, filter.state, filter.newsletter_id, &filter.language);
    let (mut road, decided) = match way {
        _ if !filter.people.is_empty() => {
            // In the order of their numbers, which is nearly that in which they joined: these are looked up one by one.
            let road =
                Road { order: ("s.id".to_owned(), "s.id"), ..Road::of_people(vec![one_of(&filter.people)]) };
            (road, Decided { people: true, ..Decided::default() })
        }
        (Some(tag_id), ..) => {
            let road = Road {
                from: "subscriber_tags g",
                order: ("g.subscriber_id".to_owned(), "g.tag_id"),
                ..Road::of_people(vec![Condition::int("g.tag_id = {}", tag_id)])
            };
            (road, Decided { tag: true, ..Decided::default() })
        }
        (_, Some(S::Suppressed), ..) => {
            let road = Road {
                from: "suppressions x",
                order: ("x.created_at".to_owned(), "x.email_hash"),
                texts: (false, true),
                ..Road::of_people(vec![])
            };
            (road, Decided { state: true, ..Decided::default() })
        }
        (_, Some(S::Paused), ..) => {
            (Road::of_ties(vec![Condition::plain("t.paused_until IS NOT NULL")]), Decided::default())
        }
        (_, Some(state @ (S::Pending | S::Unsubscribed)), newsletter_id, _) => {
            // The status stands in the text: an index of some rows is only used where the text tells that it has them.
            let status =
                Condition::plain(format!("t.status = '{}' AND t.status <> 'active'", state.as_str()));
            let decided = Decided { state: true, ..Decided::default() };
            match newsletter_id {
                None => (Road::of_ties(vec![status]), decided),
                Some(id) => {
                    let within = vec![Condition::int("t.newsletter_id = {}", id), status];
                    let road = Road { bounds, ..Road::of_ties(within) };
                    (road, Decided { newsletter: true, joined: true, ..decided })
                }
            }
        }
        (_, _, Some(id), _) => {
            let road = Road { bounds, ..Road::of_ties(vec![Condition::int("t.newsletter_id = {}", id)]) };
            (road, Decided { newsletter: true, joined: true, ..Decided::default() })
        }
        (.., Some(language)) => {
            let within = vec![Condition::text("s.language = {} AND s.language IS NOT NULL", language)];
            (
                Road { bounds, ..Road::of_people(within) },
                Decided { language: true, joined: true, ..Decided::default() },
            )
        }
        _ => (Road { bounds, ..Road::of_people(vec![]) }, Decided { joined: true, ..Decided::default() }),
    };
    road.besides = besides(filter, decided, road.is_of_ties());
    road.besides.extend_from_slice(also);
    road
}

/// Whether somebody is one of these.
fn one_of(people: &[i64]) -> Condition {
    let places = vec!["{}"; people.len()].join(", ");
    Condition(format!("s.id IN ({places})"), people.iter().map(|id| Value::Int(*id)).collect())
}

fn joined(letter: &str, filter: &Filter) -> Vec<Condition> {
    let from =
        filter.joined_from.map(|at| Condition::int(format!("{letter}.created_at >= {{}}"), at.millis()));
    let before =
        filter.joined_before.map(|at| Condition::int(format!("{letter}.created_at < {{}}"), at.millis()));
    from.into_iter().chain(before).collect()
}

/// Whether the filter asks for something of a subscription.
fn needs_tie(filter: &Filter) -> bool {
    filter.newsletter_id.is_some()
        || filter.topic.is_some()
        || filter.schedule.is_some()
        || filter.state.is_some_and(|state| state != State::Suppressed)
}

/// What the filter asks for of one subscription.
fn of_tie(letter: &str, filter: &Filter, decided: Decided) -> Vec<Condition> {
    let mut conditions = vec![];
    if let Some(id) = filter.newsletter_id.filter(|_| !decided.newsletter) {
        conditions.push(Condition::int(format!("{letter}.newsletter_id = {{}}"), id));
    }
    let now = filter.now.millis();
    match filter.state.filter(|_| !decided.state) {
        Some(State::Active) => conditions.push(Condition::int(
            format!("{letter}.status = 'active' AND COALESCE({letter}.paused_until, 0) <= {{}}"),
            now,
        )),
        Some(State::Paused) => conditions.push(Condition::int(
            format!("{letter}.status = 'active' AND {letter}.paused_until > {{}}"),
            now,
        )),
        Some(state @ (State::Pending | State::Unsubscribed)) => {
            conditions.push(Condition::plain(format!("{letter}.status = '{}'", state.as_str())));
        }
        Some(State::Suppressed) | None => {}
    }
    if let Some(topic) = filter.topic {
        let chosen = format!("({letter}.topics = 0 OR ({letter}.topics & {{}}) <> 0)");
        conditions.push(Condition::int(chosen, topic));
    }
    if let Some((id, is_first)) = filter.schedule {
        let none = if is_first { format!(" OR {letter}.schedule_id IS NULL") } else { String::new() };
        conditions.push(Condition::int(format!("({letter}.schedule_id = {{}}{none})"), id));
    }
    if filter.newsletter_id.is_some() && !decided.joined {
        conditions.extend(joined(letter, filter));
    }
    conditions
}

/// What is to be looked at besides what the road has decided. Each sub-select gives one value, and so is asked for one
/// entry at a time: PostgreSQL would turn an `EXISTS` into a join, and read the whole other table for it.
fn besides(filter: &Filter, decided: Decided, is_of_ties: bool) -> Vec<Condition> {
    let mut conditions = vec![];
    if needs_tie(filter) && is_of_ties {
        conditions.extend(of_tie("t", filter, decided));
        if filter.newsletter_id.is_none() {
            // Somebody with several such subscriptions stands in the list once, at the newest.
            let mut others = vec![Condition::plain(
                "o.subscriber_id = t.subscriber_id AND (o.created_at, o.id) > (t.created_at, t.id)",
            )];
            others.extend(of_tie("o", filter, Decided::default()));
            let Condition(text, values) = Condition::all(others);
            conditions.push(Condition(
                format!("(SELECT 1 FROM subscriptions o WHERE {text} LIMIT 1) IS NULL"),
                values,
            ));
        }
    } else if needs_tie(filter) {
        let mut its = vec![Condition::plain("o.subscriber_id = s.id")];
        its.extend(of_tie("o", filter, Decided { newsletter: false, joined: false, ..decided }));
        let Condition(text, values) = Condition::all(its);
        let text = format!("(SELECT 1 FROM subscriptions o WHERE {text} LIMIT 1) = 1");
        conditions.push(Condition(text, values));
    }
    const SUPPRESSED: &str = "(SELECT 1 FROM suppressions y WHERE y.email_hash = s.email_hash)";
    match filter.state {
        Some(State::Suppressed) if !decided.state => {
            conditions.push(Condition::plain(format!("{SUPPRESSED} = 1")));
        }
        Some(State::Active) => conditions.push(Condition::plain(format!("{SUPPRESSED} IS NULL"))),
        _ => {}
    }
    if let Some(tag_id) = filter.tag_id.filter(|_| !decided.tag) {
        let text = "(SELECT 1 FROM subscriber_tags h WHERE h.tag_id = {} AND h.subscriber_id = s.id) = 1";
        conditions.push(Condition::int(text, tag_id));
    }
    if let Some(language) = filter.language.as_deref().filter(|_| !decided.language) {
        conditions.push(Condition::text("s.language = {}", language));
        conditions.extend(filter.readers_only.map(is_no_stranger_to));
    }
    if filter.newsletter_id.is_none() && !decided.joined {
        conditions.extend(joined("s", filter));
    }
    if !filter.people.is_empty() && !decided.people {
        conditions.push(one_of(&filter.people));
    }
    conditions
}
