//! Everybody who signs in, and inviting somebody.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::fields::{self, Again, Asked, Field, Kind, Problems, Wrong, typed};
use crate::db::newsletters;
use crate::db::users::{self, Account};
use crate::domain::address::EmailAddress;
use crate::domain::newsletter::Newsletter;
use crate::domain::user::Role;
use crate::pipeline::accounts::{self, Actor, INVITATION_DAYS, Invited, NewUser, Roles};
use crate::pipeline::{self, App};
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::words::Moment;
use crate::web::form::Form;
use crate::web::words::sentence;
use crate::web::{Error, desk, said};

pub const PATH: &str = "/office/users";

/// Accounts on a page.
const SHOWN: usize = 100;

pub fn routes() -> Router<App> {
    Router::new().route(PATH, get(list)).route("/office/users/invite", get(show_invite).post(invite))
}

#[derive(Debug, Default, Deserialize)]
struct Page {
    #[serde(default)]
    after: String,
}

#[derive(Serialize)]
struct UserList {
    users: Vec<ListedUser>,
    /// The address of the next page.
    next: Option<String>,
    is_first_page: bool,
}

/// An account as a row.
#[derive(Serialize)]
struct ListedUser {
    id: i64,
    shown: String,
    email: String,
    may: String,
    is_disabled: bool,
    has_second_factor: bool,
    /// They have neither password nor a sign of life.
    is_invited: bool,
    seen: Option<Moment>,
}

/// What an account may, in words: "Editor of Morning Brief, viewer of The Week".
pub fn may(account: &Account, newsletters: &[Newsletter]) -> String {
    let mut words: Vec<String> =
        account.user.role.iter().map(|role| format!("{} of all newsletters", role.as_str())).collect();
    for newsletter in newsletters {
        if let Some((_, role)) = account.user.newsletters.iter().find(|(id, _)| *id == newsletter.id) {
            words.push(format!("{} of {}", role.as_str(), newsletter.name));
        }
    }
    let words = words.join(", ");
    let mut characters = words.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().collect::<String>() + characters.as_str(),
        None => "May do nothing".to_owned(),
    }
}

/// A page's address with what is set of these.
pub fn query(path: &str, pairs: &[(&str, &str)]) -> String {
    let set = pairs.iter().filter(|(_, value)| !value.is_empty());
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(set).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// `GET /office/users`
async fn list(
    State(app): State<App>,
    by: SignedIn,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Error> {
    by.require_everywhere(&app, Role::Admin, "user.list", "users").await?;
    let Query(Page { after }) = page.unwrap_or_default();
    let (now, mut conn) = (app.clock.now(), app.db.conn().await?);
    let after = after.replace('\0', "");
    let mut accounts = users::list(&mut conn, &after, SHOWN as i64 + 1).await?;
    let newsletters = newsletters::list(&mut conn).await?;
    drop(conn);
    let is_more = accounts.len() > SHOWN;
    accounts.truncate(SHOWN);
    let last = accounts.last().filter(|_| is_more);
    let next = last.map(|account| query(PATH, &[("after", account.user.email.as_str())]));
    let row = |account: &Account| ListedUser {
        id: account.user.id,
        shown: account.user.shown().to_owned(),
        email: account.user.email.to_string(),
        may: may(account, &newsletters),
        is_disabled: account.is_disabled,
        has_second_factor: account.totp_secret.is_some(),
        is_invited: account.password_hash.is_none() && account.seen_at.is_none(),
        seen: account.seen_at.map(|at| Moment::past(at, now, chrono_tz::UTC)),
    };
    let content =
        UserList { users: accounts.iter().map(row).collect(), next, is_first_page: after.is_empty() };
    desk::show(&by, StatusCode::OK, PATH, "Users", "office/users", &content)
}

/// What can be chosen in a form about roles.
#[derive(Serialize)]
pub struct RoleChoices {
    everywhere: Vec<RoleChoice>,
    newsletters: Vec<NewsletterChoice>,
}

#[derive(Serialize)]
struct RoleChoice {
    /// Empty: none.
    value: &'static str,
    words: &'static str,
    about: &'static str,
    chosen: bool,
}

#[derive(Serialize)]
struct NewsletterChoice {
    id: i64,
    name: String,
    language: String,
    roles: Vec<RoleChoice>,
}

impl RoleChoices {
    pub fn new(roles: &Roles, newsletters: &[Newsletter]) -> Self {
        let of = |newsletter: &Newsletter| {
            let own = roles.newsletters.iter().find(|(id, _)| *id == newsletter.id).map(|(_, role)| *role);
            NewsletterChoice {
                id: newsletter.id,
                name: newsletter.name.clone(),
                language: newsletter.language.clone(),
                roles: choices("Nothing more", own),
            }
        };
        Self {
            everywhere: choices("Nothing, but for the newsletters below", roles.everywhere),
            newsletters: newsletters.iter().map(of).collect(),
        }
    }
}

fn choices(none: &'static str, chosen: Option<Role>) -> Vec<RoleChoice> {
    let words = |role: Role| match role {
        Role::Viewer => ("Viewer", "looks at everything but readers’ addresses"),
        Role::Editor => ("Editor", "composes, approves and sends too"),
        Role::Admin => ("Admin", "manages readers, settings and users too"),
    };
    let none = RoleChoice { value: "", words: none, about: "", chosen: chosen.is_none() };
    let each = Role::ALL.map(|role| {
        let (words, about) = words(role);
        RoleChoice { value: role.as_str(), words, about, chosen: chosen == Some(role) }
    });
    [none].into_iter().chain(each).collect()
}

/// The roles that a form says.
pub fn roles_of(form: &Form, newsletters: &[Newsletter]) -> Roles {
    let own = newsletters.iter().filter_map(|newsletter| {
        Some((newsletter.id, Role::parse(form.get(&format!("role-{}", newsletter.id)))?))
    });
    Roles { everywhere: Role::parse(form.get("role")), newsletters: own.collect() }
}

#[derive(Serialize)]
struct InvitePage {
    fields: [Field; 2],
    roles: RoleChoices,
    /// What is wrong with the roles; empty where nothing is.
    wrong_roles: String,
    days: i64,
    problems: Vec<Wrong>,
}

const ASKED: [Asked; 2] = [
    ("email", "E-mail address", "", Kind::Input("email")),
    ("name", "Name", "Optional: they can choose it themselves", Kind::Input("text")),
];

/// The place of the roles in the form.
const ROLES: &str = "roles";

fn invite_page(
    by: &SignedIn,
    status: StatusCode,
    newsletters: &[Newsletter],
    roles: &Roles,
    again: &Again<'_>,
) -> Result<Response, Error> {
    let mut fields = ASKED.map(|asked| Field::new(again, "", asked, ""));
    let mut problems = fields::wrong(&mut fields);
    let wrong_roles = again.problems.iter().find(|(field, _)| field == ROLES);
    let wrong_roles = wrong_roles.map(|(_, says)| sentence(says)).unwrap_or_default();
    if !wrong_roles.is_empty() {
        problems.push(Wrong { field: ROLES.to_owned(), says: wrong_roles.clone() });
    }
    let roles = RoleChoices::new(roles, newsletters);
    let content = InvitePage { fields, roles, wrong_roles, days: INVITATION_DAYS, problems };
    let title = fields::title("Invite somebody", &content.problems);
    desk::show(by, status, PATH, &title, "office/invite", &content)
}

/// `GET /office/users/invite`
async fn show_invite(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    by.require_everywhere(&app, Role::Admin, "user.add", "users").await?;
    let newsletters = newsletters::list(&mut *app.db.conn().await?).await?;
    let roles = Roles { everywhere: Some(Role::Editor), newsletters: vec![] };
    invite_page(&by, StatusCode::OK, &newsletters, &roles, &Again::default())
}

/// `POST /office/users/invite`
async fn invite(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let (by, form) = (&act.by, &act.form);
    by.require_everywhere(&app, Role::Admin, "user.add", "users").await?;
    let newsletters = newsletters::list(&mut *app.db.conn().await?).await?;
    let roles = roles_of(form, &newsletters);
    let again = |problems: Problems| {
        let typed = typed(form, ASKED.iter().map(|(name, ..)| *name));
        let again = Again { form: "", typed, problems };
        invite_page(by, StatusCode::UNPROCESSABLE_ENTITY, &newsletters, &roles, &again)
    };
    let mut problems: Problems = vec![];
    let email =
        EmailAddress::parse(form.get("email")).map_err(|says| problems.push(("email".to_owned(), says)));
    if let Err(problem) = accounts::clean_name(form.get("name")) {
        problems.push((problem.field.to_owned(), problem.says));
    }
    if roles == Roles::default() {
        let says = "Choose what they may do: for all newsletters, or for some";
        problems.push((ROLES.to_owned(), says.to_owned()));
    }
    let (Ok(email), true) = (email, problems.is_empty()) else { return again(problems) };
    let new = NewUser { email, name: form.get("name").to_owned(), roles: roles.clone() };
    match accounts::invite(&app, &Actor::new(&by.user, &by.network), &new, true).await {
        Ok(invited) => {
            let words = invited_words(new.email.as_str(), &invited);
            Ok(said::then_say(&app, &format!("{PATH}/{}", invited.user_id), words))
        }
        // All else was looked at: only the address can have an account.
        Err(pipeline::Error::Invalid(says)) => again(vec![("email".to_owned(), says)]),
        Err(error) => Err(error.into()),
    }
}

pub fn invited_words(email: &str, invited: &Invited) -> String {
    match invited.is_mailed {
        true => format!(
            "A mail is on its way to {email}. Its link works once, for {INVITATION_DAYS} days: there they choose \
             their name and password."
        ),
        false => format!(
            "{email} can be let in, but there is no newsletter yet whose address a mail could come from. Hand over \
             the link that `daybreak user password {email}` prints."
        ),
    }
}
