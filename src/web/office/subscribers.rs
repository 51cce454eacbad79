//! The list of subscribers: filters in the address, a page at a time, and everybody found as a file.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures_util::stream;

use super::subscribers_view::{Found, Ticked, View};
use super::{Reach, SUBSCRIBERS, reach};
use crate::db;
use crate::db::directory::{self as people, Counted, Filter, From, Place, State as PersonState};
use crate::domain::calendar::Timestamp;
use crate::domain::user::Role;
use crate::pipeline::directory::{self, Asked, Wanted};
use crate::pipeline::population::population;
use crate::pipeline::{App, export};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::desk;

/// People on a page.
pub const PAGE: usize = 50;

/// How long a page looks for its people, and counts them: with what is said of each, well within 100 ms.
const FINDING: Duration = patience(30);
const COUNTING: Duration = patience(15);

/// Tests are to find the same however busy the machine is.
const fn patience(millis: u64) -> Duration {
    Duration::from_millis(if cfg!(test) { 60_000 } else { millis })
}

/// Counted up to there; after that it is "more than".
pub const MOST: u64 = 10_000;

pub fn routes() -> Router<App> {
    Router::new().route(SUBSCRIBERS, get(show)).route("/office/subscribers/export", post(download))
}

/// `GET /office/subscribers?newsletter=…&state=…&q=…`: whom the filter finds.
async fn show(State(app): State<App>, RawQuery(query): RawQuery, by: SignedIn) -> Result<Response, Error> {
    const WHAT: &str = "the list of subscribers";
    let reach = reach(&app, &by, "subscribers.list", WHAT).await?;
    let query = query.unwrap_or_default();
    let asked = confine(&app, &by, &reach, Asked::parse(&query), "subscribers.list", WHAT).await?;
    let now = app.clock.now();
    let place = |name: &str| {
        let mut fields = url::form_urlencoded::parse(query.as_bytes());
        fields.find(|(field, _)| field == name).and_then(|(_, value)| Place::decode(&value))
    };
    let (behind, before) = (place("behind"), place("before"));
    let seen = url::form_urlencoded::parse(query.as_bytes()).find(|(field, _)| field == "seen");
    let seen = seen.and_then(|(_, count)| count.parse().ok()).filter(|count| *count < MOST);
    let mut conn = app.db.conn().await?;
    let found = match directory::resolve(&mut conn, &asked, now).await? {
        Err(problems) => Err(problems),
        Ok(wanted) => {
            let wanted = blinker(wanted, &reach);
            let from = match (&behind, &before) {
                (Some(place), _) => From::Behind(place),
                (None, Some(place)) => From::Before(place),
                (None, None) => From::Start,
            };
            let walked = people::walk(&mut conn, &wanted.filter, from, PAGE, FINDING).await?;
            // A walk from the start that came to its end has counted; one whose time was up would be walked again.
            let has_counted = from == From::Start && (walked.after.is_none() || walked.is_cut);
            let counted = match has_counted {
                true => {
                    Counted { people: walked.people.len().try_into().unwrap_or(0), is_more: walked.is_cut }
                }
                false => people::count(&mut conn, &wanted.filter, MOST, COUNTING).await?,
            };
            let ids: Vec<i64> = walked.people.iter().map(|found| found.subscriber_id).collect();
            let rows = people::rows(&mut conn, &ids).await?;
            Ok(Found { wanted, walked, counted, seen: seen.unwrap_or(0), rows, total: None })
        }
    };
    drop(conn);
    let found = match found {
        Ok(found) => Ok(Found { total: total(&app, &found).await?, ..found }),
        Err(problems) => Err(problems),
    };
    let mut conn = app.db.conn().await?;
    let status = if found.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let view = View::new(&mut conn, asked, found, &reach, Ticked::of(&query), now).await?;
    desk::show(&by, status, SUBSCRIBERS, "Subscribers", "office/subscribers", &view)
}

/// How many a list has whose people are more than a page counts, where that is kept: everybody, and the readers of one
/// newsletter; and since when.
async fn total(app: &App, found: &Found) -> Result<Option<(u64, Timestamp)>, Error> {
    let filter = &found.wanted.filter;
    let everybody = Filter::everybody(filter.now);
    let readers =
        Filter { newsletter_id: filter.newsletter_id, state: Some(PersonState::Active), ..everybody.clone() };
    let is_kept = *filter == everybody || (filter.newsletter_id.is_some() && *filter == readers);
    if !found.counted.is_more || !is_kept {
        return Ok(None);
    }
    let kept = population(app, Duration::ZERO).await?;
    Ok(kept
        .map(|kept| (filter.newsletter_id.map_or(kept.all(), |id| kept.readers_of(id)), kept.counted_at())))
}

/// The filter within what somebody manages: of their newsletter, the first where they name none, and without tags, which
/// tell of people as a whole.
async fn confine(
    app: &App,
    by: &SignedIn,
    reach: &Reach,
    asked: Asked,
    action: &str,
    what: &str,
) -> Result<Asked, Error> {
    let Reach::Of(own) = reach else { return Ok(asked) };
    let mut conn = app.db.conn().await?;
    let newsletter = match asked.newsletter.as_str() {
        "" => db::newsletters::get(&mut conn, own.first().copied().unwrap_or_default()).await?,
        slug => db::newsletters::find(&mut conn, slug).await?,
    };
    drop(conn);
    match newsletter {
        Some(newsletter) => {
            by.require(app, Role::Admin, newsletter.id, action, what).await?;
            Ok(Asked { newsletter: newsletter.slug, tag: String::new(), ..asked })
        }
        // The list says that there is none of that name.
        None if !asked.newsletter.is_empty() => Ok(asked),
        None => Err(Error::NotFound),
    }
}

/// The same without what whoever manages one newsletter is not shown of others' readers: a search would tell it.
fn blinker(mut wanted: Wanted, reach: &Reach) -> Wanted {
    let filter = &mut wanted.filter;
    if *reach != Reach::Everybody && (!filter.words.is_empty() || filter.language.is_some()) {
        filter.readers_only = filter.newsletter_id;
    }
    wanted
}

/// `POST /office/subscribers/export`: everybody whom the filter finds, as a CSV file.
async fn download(State(app): State<App>, Act { by, form }: Act) -> Result<Response, Error> {
    const WHAT: &str = "subscribers as a file";
    let reach = reach(&app, &by, "subscribers.export", WHAT).await?;
    let asked = Asked::parse(form.get("filter"));
    let asked = confine(&app, &by, &reach, asked, "subscribers.export", WHAT).await?;
    let wanted = blinker(directory::kept(&app, &asked.query(), app.clock.now()).await?, &reach);
    by.note(&app, "subscribers.export", &wanted.words(), wanted.filter.newsletter_id).await?;
    let name = match &wanted.newsletter {
        Some(newsletter) => format!("subscribers-{}.csv", newsletter.slug),
        None => "subscribers.csv".to_owned(),
    };
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    let with_tags = reach == Reach::Everybody;
    // A file that breaks off in the middle must not look like one that came to its end.
    let worker = tokio::spawn(async move { export::export_found(&app, &wanted, with_tags, &sender).await });
    let pieces = stream::unfold((receiver, Some(worker)), |(mut receiver, worker)| async move {
        if let Some(piece) = receiver.recv().await {
            return Some((Ok(piece), (receiver, worker)));
        }
        match worker?.await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                tracing::error!(%error, "an export broke off");
                Some((Err(std::io::Error::other("the export broke off")), (receiver, None)))
            }
            Err(error) => Some((Err(std::io::Error::other(error)), (receiver, None))),
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
