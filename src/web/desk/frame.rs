//! The frame of desk and office: the rail at the side, what the page before has to say, and who is signed in.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::domain::user::Role;
use crate::web::auth::SignedIn;
use crate::web::said::{self, Said};
use crate::web::{Error, page};

/// A place in the rail.
#[derive(Clone, Debug, Serialize)]
struct Place {
    href: &'static str,
    words: &'static str,
    /// The page shown is in there.
    here: bool,
    /// One of the four at the foot of a narrow screen.
    main: bool,
}

/// The rail's places: address, words, who sees it, and whether it is one of the main four.
const DESK: [(&str, &str, Role, bool); 6] = [
    ("/desk", "Today", Role::Viewer, true),
    ("/desk/inbox", "Inbox", Role::Viewer, true),
    ("/desk/issues", "Issues", Role::Viewer, true),
    ("/desk/calendar", "Calendar", Role::Viewer, true),
    ("/desk/sources", "Sources", Role::Viewer, false),
    ("/desk/templates", "Templates", Role::Editor, false),
];
const OFFICE: [(&str, &str, Role, bool); 6] = [
    ("/office/subscribers", "Subscribers", Role::Admin, false),
    ("/office/newsletters", "Newsletters", Role::Admin, false),
    ("/office/relays", "Relays", Role::Admin, false),
    ("/office/users", "Users", Role::Admin, false),
    ("/office/audit", "Audit", Role::Admin, false),
    ("/office/system", "System", Role::Admin, false),
];

/// Places that belong to no newsletter: only who may so much everywhere gets in.
const OF_ALL: [&str; 5] =
    ["/desk/templates", "/office/relays", "/office/users", "/office/audit", "/office/system"];

/// What every page of desk and office has, around its own content.
#[derive(Serialize)]
pub struct Desk<'p, T> {
    title: &'p str,
    desk: Vec<Place>,
    office: Vec<Place>,
    /// For forms: `<input type="hidden" name="token" value="{{@root.token}}">`.
    token: &'p str,
    user: &'p str,
    said: Option<&'p Said>,
    #[serde(flatten)]
    page: &'p T,
}

/// A page of desk or office; `path` is its address, by which the rail knows where it is.
pub fn show<T: Serialize>(
    by: &SignedIn,
    status: StatusCode,
    path: &str,
    title: &str,
    template: &str,
    content: &T,
) -> Result<Response, Error> {
    let places = |all: &[(&'static str, &'static str, Role, bool)]| -> Vec<Place> {
        let seen = all.iter().filter(|(href, _, role, _)| match OF_ALL.contains(href) {
            true => by.user.may_everywhere(*role),
            false => by.user.may_somewhere(*role),
        });
        seen.map(|(href, words, _, main)| {
            let below = path.strip_prefix(href).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            // Today is the front page, and not above all others.
            Place { href, words, here: if *href == "/desk" { path == "/desk" } else { below }, main: *main }
        })
        .collect()
    };
    let desk = Desk {
        title,
        desk: places(&DESK),
        office: places(&OFFICE),
        token: &by.form_token,
        user: by.user.shown(),
        said: by.said.as_ref(),
        page: content,
    };
    let mut response = page::page(status, template, &desk)?;
    if by.said.is_some() {
        said::forget(&mut response, by.is_https);
    }
    Ok(response)
}
