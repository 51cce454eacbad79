//! The keys that sign mail, the records to publish for them, and what DNS says.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;

use super::fields::{self, Again, Asked, Field, Kind, Wrong, typed};
use super::system::{Found, found};
use crate::db;
use crate::domain::user::Role;
use crate::pipeline::doctor::{self, Finding};
use crate::pipeline::signing::{self, Algorithm, Published};
use crate::pipeline::{self, App};
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::show;
use crate::web::desk::words::Moment;
use crate::web::{Error, said};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/office/dkim", get(list).post(add))
        .route("/office/dkim/look", post(look))
        .route("/office/dkim/remove", post(remove))
        .route("/office/dkim/sign", post(sign))
}

#[derive(Serialize)]
struct Page {
    domains: Vec<Domain>,
    fields: Vec<Field>,
    problems: Vec<Wrong>,
    /// DNS was asked.
    looked: bool,
    /// The records that DNS was seen to have just now.
    began: Vec<String>,
    findings: Vec<Found>,
}

#[derive(Serialize)]
struct Domain {
    name: String,
    /// Mail is sent from it.
    is_used: bool,
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    domain: String,
    selector: String,
    algorithm: String,
    made: Moment,
    /// None while it waits for its record.
    signs_since: Option<Moment>,
    name: String,
    record: String,
    zone_line: String,
    /// What DNS says of it; empty where it was not asked.
    state: &'static str,
    kind: &'static str,
}

const ALGORITHMS: [(&str, &str); 3] = [
    ("rsa", "RSA, which every receiver verifies"),
    ("both", "RSA and Ed25519 beside it"),
    ("ed25519", "Ed25519 alone, which not every receiver verifies yet"),
];
const NEW: [Asked; 3] = [
    (
        "domain",
        "Domain",
        "What stands behind the @ of a newsletter's From address: example.org",
        Kind::Input("text"),
    ),
    ("algorithm", "Kind of key", "", Kind::Choice(&ALGORITHMS)),
    (
        "selector",
        "Selector",
        "A name for the key, such as spring26. Empty: the day, and the kind of key.",
        Kind::Input("text"),
    ),
];

/// `GET /office/dkim`
async fn list(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    by.require_everywhere(&app, Role::Admin, "dkim.look", "the keys").await?;
    page(&app, &by, StatusCode::OK, None, &Again::default()).await
}

/// What DNS says, and the records that it was seen to have just now.
struct Looked {
    findings: Vec<Finding>,
    began: Vec<String>,
}

/// `POST /office/dkim/look`: asks DNS, which takes some seconds. Keys that waited for their records sign from then on.
async fn look(State(app): State<App>, act: Act) -> Result<Response, Error> {
    act.by.require_everywhere(&app, Role::Admin, "dkim.look", "the keys").await?;
    let began = signing::sign_with_published(&app, &act.by.actor()).await?;
    let looked = Looked { findings: doctor::examine_domains(&app).await?, began };
    page(&app, &act.by, StatusCode::OK, Some(looked), &Again::default()).await
}

async fn page(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    looked: Option<Looked>,
    again: &Again<'_>,
) -> Result<Response, Error> {
    let keys = signing::list(app).await?;
    let newsletters = db::newsletters::list(&mut *app.db.conn().await?).await?;
    let used: BTreeSet<&str> =
        newsletters.iter().map(|newsletter| newsletter.from.address.domain()).collect();
    let names: BTreeSet<&str> =
        used.iter().copied().chain(keys.iter().map(|key| key.domain.as_str())).collect();
    let is_looked = looked.is_some();
    let Looked { findings: all, began } = looked.unwrap_or(Looked { findings: vec![], began: vec![] });
    let now = app.clock.now();
    let key = |key: &Published| {
        // Each key has a finding of its own, which begins with its record's name.
        let begins = format!("{}:", key.name);
        let own = all.iter().find(|finding| finding.about == "DKIM" && finding.says.starts_with(&begins));
        let (state, kind) = match own.map(|finding| finding.state) {
            _ if key.signs_since.is_none() => ("waiting for its record in DNS", "warn"),
            None => ("", ""),
            Some(doctor::State::Good) => ("published", "good"),
            Some(doctor::State::Warning) => ("see below", "warn"),
            Some(doctor::State::Bad) => ("not in DNS", "bad"),
        };
        Key {
            domain: key.domain.clone(),
            selector: key.selector.clone(),
            algorithm: key.algorithm.clone(),
            made: Moment::near(key.made, now, chrono_tz::UTC),
            signs_since: key.signs_since.map(|at| Moment::near(at, now, chrono_tz::UTC)),
            name: key.name.clone(),
            record: key.record.clone(),
            zone_line: key.zone_line.clone(),
            state,
            kind,
        }
    };
    let domain = |name: &&str| Domain {
        name: (*name).to_owned(),
        is_used: used.contains(name),
        keys: keys.iter().filter(|key| key.domain == *name).map(key).collect(),
    };
    let first = used.first().copied().unwrap_or_default();
    let kept = |name: &str| match name {
        "domain" => first,
        "algorithm" => "rsa",
        _ => "",
    };
    let mut fields: Vec<Field> =
        NEW.iter().map(|field| Field::new(again, "key", *field, kept(field.0))).collect();
    let page = Page {
        domains: names.iter().map(domain).collect(),
        problems: fields::wrong(&mut fields),
        fields,
        looked: is_looked,
        began,
        findings: all.iter().map(found).collect(),
    };
    let title = fields::title("DKIM keys", &page.problems);
    show(by, status, "/office/relays", &title, "office/dkim", &page)
}

/// `POST /office/dkim`: makes a key, or two.
async fn add(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let name = act.form.get("domain").trim();
    let what: String = name.chars().take(253).collect();
    act.by.require_everywhere(&app, Role::Admin, "dkim.add", &what).await?;
    let typed = typed(&act.form, NEW.iter().map(|(field, ..)| *field));
    let algorithms: &[Algorithm] = match act.form.get("algorithm") {
        "both" => &[Algorithm::Rsa, Algorithm::Ed25519],
        "ed25519" => &[Algorithm::Ed25519],
        _ => &[Algorithm::Rsa],
    };
    let selector = Some(act.form.get("selector").trim()).filter(|selector| !selector.is_empty());
    match signing::add(&app, &act.by.actor(), name, algorithms, selector).await {
        Ok(_) => {
            let words = "The key is made. Publish its record: it signs once DNS is seen to have it.";
            Ok(said::then_say(&app, "/office/dkim", words))
        }
        Err(pipeline::Error::Invalid(says)) => {
            // A domain is looked at before a selector, and by itself.
            let is_domain = signing::is_domain(name);
            let field = if is_domain { "selector" } else { "domain" };
            let again = Again { form: "key", typed, problems: vec![(field.to_owned(), says)] };
            page(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, None, &again).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /office/dkim/sign`: with a key that waits, whether its record was seen or not.
async fn sign(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let (domain, selector) = (act.form.get("domain"), act.form.get("selector"));
    act.by.require_everywhere(&app, Role::Admin, "dkim.sign", &record(domain, selector)).await?;
    signing::sign_now(&app, &act.by.actor(), domain, selector).await?;
    let words = format!("Mail from {domain} is signed with {selector} from now on.");
    Ok(said::then_say(&app, "/office/dkim", words))
}

/// The name of a key's record as it was sent.
fn record(domain: &str, selector: &str) -> String {
    format!("{selector}._domainkey.{domain}").chars().take(300).collect()
}

/// `POST /office/dkim/remove`
async fn remove(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let (domain, selector) = (act.form.get("domain"), act.form.get("selector"));
    act.by.require_everywhere(&app, Role::Admin, "dkim.remove", &record(domain, selector)).await?;
    let left = signing::remove(&app, &act.by.actor(), domain, selector).await?;
    let signs = match left {
        0 => format!("Mail from {domain} is no longer signed here."),
        1 => format!("1 key of {domain} goes on signing."),
        left => format!("{left} keys of {domain} go on signing."),
    };
    let words =
        format!("The key is removed. {signs} Leave its record in DNS for another week, for mail under way.");
    Ok(said::then_say(&app, "/office/dkim", words))
}
