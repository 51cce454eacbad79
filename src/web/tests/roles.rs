//! Who is let in where: every address of desk, office and account, by everybody who could ask.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::db::users;
use crate::pipeline::accounts::Actor;
use crate::pipeline::sources;

/// What somebody must be at least.
#[derive(Clone, Copy, Debug)]
pub(super) enum Least {
    Anybody,
    SignedIn,
    /// This for the newsletter that it is about.
    Of(Role),
    /// This for any newsletter: a list has those that somebody may see.
    Somewhere(Role),
    /// This for every newsletter.
    Everywhere(Role),
}

use Least::{Anybody, Everywhere, Of, SignedIn, Somewhere};
use Role::{Admin, Editor, Viewer};

/// Every address, with what its pages and its forms ask for. `{…}` is filled in below.
pub(super) const ROUTES: &[(&str, Option<Least>, Option<Least>)] = &[
    ("/desk", Some(SignedIn), None),
    ("/desk/inbox", Some(SignedIn), Some(Of(Editor))),
    ("/desk/inbox/{article}/picture", None, Some(Of(Editor))),
    ("/desk/inbox/{article}/{act}", None, Some(Of(Editor))),
    ("/desk/issues", Some(SignedIn), Some(Of(Editor))),
    ("/desk/issues/{issue}", Some(Of(Viewer)), Some(Of(Editor))),
    ("/desk/issues/{issue}/undo/{step}", None, Some(Of(Editor))),
    ("/desk/issues/{id}/preview", Some(Of(Viewer)), None),
    ("/desk/issues/{id}/preview/mail", Some(Of(Viewer)), None),
    ("/desk/issues/{id}/preview/eml", Some(Of(Viewer)), None),
    ("/desk/issues/{id}/checks", Some(Of(Viewer)), Some(Of(Editor))),
    ("/desk/issues/{id}/test", Some(Of(Editor)), Some(Of(Editor))),
    ("/desk/issues/{id}/send", Some(Of(Editor)), Some(Of(Editor))),
    ("/desk/issues/{id}/live", Some(Of(Viewer)), None),
    ("/desk/issues/{id}/events", Some(Of(Viewer)), None),
    ("/desk/issues/{id}/results", Some(Of(Viewer)), None),
    ("/desk/calendar", Some(SignedIn), None),
    ("/desk/sources", Some(SignedIn), Some(Of(Editor))),
    ("/desk/sources/{source}", Some(Of(Viewer)), None),
    ("/desk/sources/{source}/topics", None, Some(Of(Editor))),
    ("/desk/sources/{source}/pause", None, Some(Of(Editor))),
    ("/desk/sources/{source}/resume", None, Some(Of(Editor))),
    ("/desk/sources/{source}/poll", None, Some(Of(Editor))),
    ("/desk/sources/{source}/remove", None, Some(Of(Editor))),
    ("/desk/templates", Some(Everywhere(Editor)), None),
    ("/desk/templates/help", Some(Everywhere(Editor)), None),
    ("/desk/templates/{folder}/{name}", Some(Everywhere(Editor)), Some(Everywhere(Editor))),
    ("/desk/templates/{folder}/{name}/preview", None, Some(Everywhere(Editor))),
    ("/desk/templates/{folder}/{name}/default", None, Some(Everywhere(Editor))),
    ("/desk/templates/{folder}/{name}/versions/{id}", Some(Everywhere(Editor)), Some(Everywhere(Editor))),
    ("/desk/templates/{partials}/{piece}", Some(Everywhere(Editor)), Some(Everywhere(Admin))),
    ("/desk/templates/{partials}/{piece}/default", None, Some(Everywhere(Admin))),
    ("/office/newsletters", Some(Somewhere(Admin)), Some(Everywhere(Admin))),
    ("/office/newsletters/{slug}", Some(Of(Admin)), Some(Of(Admin))),
    ("/office/newsletters/{slug}/topics", Some(Of(Admin)), Some(Of(Admin))),
    ("/office/newsletters/{slug}/schedules", Some(Of(Admin)), Some(Of(Admin))),
    ("/office/newsletters/{slug}/schedules/{schedule}", Some(Of(Admin)), None),
    ("/office/dkim", Some(Everywhere(Admin)), Some(Everywhere(Admin))),
    ("/office/dkim/look", None, Some(Everywhere(Admin))),
    ("/office/dkim/remove", None, Some(Everywhere(Admin))),
    ("/office/dkim/sign", None, Some(Everywhere(Admin))),
    ("/office/users", Some(Everywhere(Admin)), None),
    ("/office/users/invite", Some(Everywhere(Admin)), Some(Everywhere(Admin))),
    ("/office/users/{id}", Some(Everywhere(Admin)), None),
    ("/office/users/{id}/roles", None, Some(Everywhere(Admin))),
    ("/office/users/{id}/invite", None, Some(Everywhere(Admin))),
    ("/office/users/{id}/disable", None, Some(Everywhere(Admin))),
    ("/office/users/{id}/enable", None, Some(Everywhere(Admin))),
    ("/office/users/{id}/remove", Some(Everywhere(Admin)), Some(Everywhere(Admin))),
    ("/office/users/{id}/second-factor", None, Some(Everywhere(Admin))),
    ("/office/users/{id}/sessions", None, Some(Everywhere(Admin))),
    ("/office/audit", Some(Everywhere(Admin)), None),
    ("/office/segments", Some(Everywhere(Admin)), Some(Everywhere(Admin))),
    ("/office/segments/{id}/remove", None, Some(Everywhere(Admin))),
    ("/office/suppressions", Some(Everywhere(Admin)), Some(Everywhere(Admin))),
    ("/office/suppressions/remove", None, Some(Everywhere(Admin))),
    ("/office/bulk", Some(Everywhere(Admin)), Some(Everywhere(Admin))),
    ("/office/bulk/{id}", Some(Everywhere(Admin)), None),
    ("/office/bulk/{id}/undo", None, Some(Everywhere(Admin))),
    ("/office/bulk/{id}/stop", None, Some(Everywhere(Admin))),
    ("/office/bulk/{id}/go-on", None, Some(Everywhere(Admin))),
    ("/office/system", Some(Everywhere(Admin)), None),
    ("/office/system/examine", None, Some(Everywhere(Admin))),
    ("/office/subscribers", Some(Somewhere(Admin)), None),
    ("/office/subscribers/add", Some(Somewhere(Admin)), Some(Of(Admin))),
    ("/office/subscribers/export", None, Some(Somewhere(Admin))),
    ("/office/subscribers/{id}", Some(Everywhere(Admin)), None),
    ("/office/subscribers/{id}/edit", None, Some(Everywhere(Admin))),
    ("/office/subscribers/{id}/subscription", None, Some(Of(Admin))),
    ("/office/subscribers/{id}/tag", None, Some(Everywhere(Admin))),
    ("/office/subscribers/{id}/untag", None, Some(Everywhere(Admin))),
    ("/office/subscribers/{id}/suppress", None, Some(Everywhere(Admin))),
    ("/office/subscribers/{id}/unsuppress", None, Some(Everywhere(Admin))),
    ("/office/subscribers/{id}/export", None, Some(Everywhere(Admin))),
    ("/office/subscribers/{id}/erase", Some(Everywhere(Admin)), Some(Everywhere(Admin))),
    ("/office/relays", Some(Everywhere(Admin)), None),
    ("/office/relays/{place}/test", None, Some(Everywhere(Admin))),
    ("/office/import", Some(Everywhere(Admin)), Some(Everywhere(Admin))),
    ("/office/import/{id}", Some(Everywhere(Admin)), None),
    ("/office/import/{id}/check", None, Some(Everywhere(Admin))),
    ("/office/import/{id}/run", None, Some(Everywhere(Admin))),
    ("/office/import/{id}/remove", None, Some(Everywhere(Admin))),
    ("/office/import/{id}/notes", Some(Everywhere(Admin)), None),
    ("/sign-in", Some(Anybody), Some(Anybody)),
    ("/sign-in/code", Some(Anybody), Some(Anybody)),
    ("/sign-in/recovery", Some(Anybody), Some(Anybody)),
    ("/sign-in/mail", None, Some(Anybody)),
    ("/sign-in/link/{secret}", Some(Anybody), Some(Anybody)),
    ("/welcome/{secret}", Some(Anybody), Some(Anybody)),
    ("/account", Some(SignedIn), None),
    ("/account/name", None, Some(SignedIn)),
    ("/account/password", None, Some(SignedIn)),
    ("/account/sessions", None, Some(SignedIn)),
    ("/account/sessions/end", None, Some(SignedIn)),
    ("/account/second-factor", Some(SignedIn), Some(SignedIn)),
    ("/account/second-factor/remove", None, Some(SignedIn)),
    ("/account/recovery-codes", Some(SignedIn), Some(SignedIn)),
    ("/sign-out", None, Some(SignedIn)),
];

/// These ask relays, DNS and other hosts, which a test does not wait for: only that others are refused is looked at.
const ASK_AROUND: [&str; 4] = [
    "/office/system/examine",
    "/office/dkim/look",
    "/desk/sources/{source}/poll",
    "/desk/issues/{id}/checks",
];

/// The addresses in the sources of these pages, each with `GET` or `POST`; variables have no name.
fn registered() -> BTreeSet<(String, &'static str)> {
    let mut found = BTreeSet::new();
    for folder in ["src/web/desk", "src/web/office", "src/web/account"] {
        read_routes(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    found
}

fn read_routes(folder: &Path, found: &mut BTreeSet<(String, &'static str)>) {
    let constants = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_routes(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(".nest(") && !text.contains(".route_service("), "{}", path.display());
        for rest in text.split(".route(").skip(1) {
            let (first, handlers) = rest.split_once(',').unwrap();
            let route = match first.trim().strip_prefix('"') {
                Some(literal) => literal.trim_end_matches('"').to_owned(),
                None => {
                    let before = format!("const {}: &str = \"", first.trim());
                    let value = [&text, &constants].into_iter().find_map(|text| text.split(&before).nth(1));
                    value
                        .unwrap_or_else(|| panic!("no {before} for {}", path.display()))
                        .split('"')
                        .next()
                        .unwrap()
                        .to_owned()
                }
            };
            // Up to the parenthesis that closes `.route(`.
            let mut depth = 1;
            let end = handlers.find(|character| {
                depth += match character {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                depth == 0
            });
            let handlers = &handlers[..end.unwrap()];
            let before = found.len();
            for (method, call) in [("GET", "get("), ("POST", "post(")] {
                if handlers.contains(call) {
                    found.insert((nameless(&route), method));
                }
            }
            assert!(found.len() > before, "{route} is neither read nor sent to, or stands there twice");
        }
    }
}

/// `/desk/issues/{}/send` of `/desk/issues/{id}/send`.
fn nameless(route: &str) -> String {
    let parts = route.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_of_desk_office_and_account_says_here_who_is_let_in() {
    let listed: BTreeSet<_> = ROUTES
        .iter()
        .flat_map(|(route, get, post)| {
            let methods = [("GET", get), ("POST", post)].into_iter().filter(|(_, least)| least.is_some());
            methods.map(|(method, _)| (nameless(route), method))
        })
        .collect();
    let registered = registered();
    let missing: Vec<_> = registered.difference(&listed).collect();
    assert!(missing.is_empty(), "say in ROUTES what these ask for: {missing:?}");
    let gone: Vec<_> = listed.difference(&registered).collect();
    assert!(gone.is_empty(), "these are no routes any more: {gone:?}");
}

/// Somebody who asks; none: nobody who is signed in.
struct Who {
    name: &'static str,
    person: Option<Person>,
    everywhere: Option<Role>,
    of_brief: Option<Role>,
    somewhere: Option<Role>,
}

impl Who {
    fn may(&self, least: Least) -> bool {
        match least {
            Anybody => true,
            SignedIn => self.person.is_some(),
            Of(role) => self.everywhere.max(self.of_brief) >= Some(role),
            Somewhere(role) => self.everywhere.max(self.somewhere) >= Some(role),
            Everywhere(role) => self.everywhere >= Some(role),
        }
    }
}

/// What the addresses of [`ROUTES`] are about.
pub(super) struct Things {
    issue: String,
    article: String,
    source: String,
    /// A user to whom things are done.
    victim: String,
}

impl Things {
    /// The address of a route with its variables filled in.
    pub(super) fn path(&self, route: &str) -> String {
        let id = match route {
            _ if route.starts_with("/desk/issues") => self.issue.as_str(),
            _ if route.starts_with("/office/users") => &self.victim,
            _ => "999999",
        };
        let values = [
            ("{issue}", self.issue.as_str()),
            ("{article}", &self.article),
            ("{act}", "hold"),
            ("{step}", "1"),
            ("{source}", &self.source),
            ("{folder}", "welcome"),
            ("{name}", "subject.txt.hbs"),
            ("{partials}", "partials"),
            ("{piece}", "button.mjml.hbs"),
            ("{slug}", "brief"),
            ("{place}", "9"),
            ("{secret}", "guess"),
            ("{id}", id),
        ];
        values.iter().fold(route.to_owned(), |path, (name, value)| path.replace(name, value))
    }
}

impl House {
    pub(super) async fn things(&self) -> Things {
        let by = Actor::command_line();
        let url = "https://harbour.example/feed";
        let source = sources::add(&self.app, &by, "brief", url, &[], "link").await.unwrap();
        let email = EmailAddress::parse("victim@example.org").unwrap();
        let victim = accounts::add(&self.app, &email, "", Some(Viewer)).await.unwrap();
        accounts::set_password(&self.app, &by, victim, "a long enough one").await.unwrap();
        Things {
            issue: self.daily().await.to_string(),
            article: self.article("Ferry", &[]).await.to_string(),
            source: source.id.to_string(),
            victim: victim.to_string(),
        }
    }

    async fn somebody(&self, name: &'static str, everywhere: Option<Role>, own: Option<(i64, Role)>) -> Who {
        let email = EmailAddress::parse(&format!("{name}@example.org")).unwrap();
        let id = accounts::add(&self.app, &email, "", everywhere).await.unwrap();
        if let Some((newsletter_id, role)) = own {
            let mut conn = self.app.db.conn().await.unwrap();
            users::set_newsletter_role(&mut conn, id, newsletter_id, Some(role)).await.unwrap();
        }
        let value = accounts::start_session(&self.app, id, "a test", "192.0.2.1").await.unwrap();
        let (account, _) = accounts::of_cookie(&self.app, &value).await.unwrap().unwrap();
        let token = accounts::form_token(&self.app, &account);
        let person = Some(Person { cookie: format!("daybreak={value}"), token });
        let of_brief = own.filter(|(id, _)| *id == self.brief).map(|(_, role)| role);
        Who { name, person, everywhere, of_brief, somewhere: own.map(|(_, role)| role) }
    }

    /// Asks, and returns whether they were let in; the answer itself is not waited for.
    async fn lets_in(&self, who: &Who, method: &str, path: &str) -> bool {
        let url = format!("{}{path}", self.base);
        let mut request = if method == "GET" { self.client.get(url) } else { self.client.post(url) };
        if let Some(person) = &who.person {
            request = request.header("cookie", &person.cookie);
        }
        if method == "POST" {
            let token = who.person.as_ref().map_or("", |person| person.token.as_str());
            let body = urlencoded(&[("token", token), ("newsletter", "brief")]);
            request = request.header("content-type", FORM).header("origin", &self.base).body(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        assert!(status < 500, "{} {method} {path}: {status}", who.name);
        let to = answer.headers().get("location").map_or("", |to| to.to_str().unwrap());
        let is_sent_away = status == 303 && to.starts_with("/sign-in?");
        match who.person {
            None => !is_sent_away && status != 401,
            Some(_) => {
                assert!(!is_sent_away && status != 401, "{} {method} {path}: signed out", who.name);
                status != 403
            }
        }
    }
}

#[tokio::test]
async fn everybody_is_let_in_where_their_role_lets_them_and_nowhere_else() {
    for house in houses().await {
        let other = a_newsletter(&house.app.db, "other").await;
        let things = house.things().await;
        let of = |id, role| Some((id, role));
        let everybody = [
            Who { name: "nobody", person: None, everywhere: None, of_brief: None, somewhere: None },
            house.somebody("roleless", None, None).await,
            house.somebody("stranger", None, of(other, Admin)).await,
            house.somebody("viewer", Some(Viewer), None).await,
            house.somebody("own-viewer", None, of(house.brief, Viewer)).await,
            house.somebody("own-editor", None, of(house.brief, Editor)).await,
            house.somebody("editor", Some(Editor), None).await,
            house.somebody("own-admin", Some(Viewer), of(house.brief, Admin)).await,
            house.somebody("admin", Some(Admin), None).await,
        ];
        // First what is refused, then what is done: that changes what there is.
        let mut wrong = vec![];
        for is_allowed in [false, true] {
            for (route, get, post) in ROUTES {
                for (method, least) in [("GET", get), ("POST", post)] {
                    let Some(least) = *least else { continue };
                    if is_allowed && method == "POST" && ASK_AROUND.contains(route) {
                        continue;
                    }
                    for who in everybody.iter().filter(|who| who.may(least) == is_allowed) {
                        let is_let_in = house.lets_in(who, method, &things.path(route)).await;
                        if is_let_in != is_allowed {
                            let word = if is_let_in { "is let in" } else { "is refused" };
                            wrong.push(format!("{} {word}: {method} {route}", who.name));
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        house.close().await;
    }
}
