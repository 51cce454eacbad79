//! Imports: a file is uploaded, its columns are named, a dry run tells what it would do, and then it is taken in.

use axum::Router;
use axum::body::Body;
use axum::extract::multipart::Field as Part;
use axum::extract::{DefaultBodyLimit, FromRequest as _, FromRequestParts as _, Multipart, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

use super::import_form::{self, Begin};
use super::{SUBSCRIBERS, number, require};
use crate::db;
use crate::db::imports::Import;
use crate::pipeline::import::uploads::{self, Upload};
use crate::pipeline::import::{Field, MAX_CONSENT, one_line};
use crate::pipeline::{self, App, editors};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn, is_from_here};
use crate::web::desk;
use crate::web::form::{Form, Segment};
use crate::web::said;

/// Where files are uploaded to: the one form that may take longer than others.
pub const UPLOAD_PATH: &str = "/office/import";

/// The longest name of a file that is kept, and the most of a field of the form that is read.
const MAX_NAME: usize = 200;
const MAX_FIELD: usize = 1000;

pub fn routes() -> Router<App> {
    Router::new()
        .route(UPLOAD_PATH, get(show_first).post(upload).layer(DefaultBodyLimit::disable()))
        .route("/office/import/{id}", get(show))
        .route("/office/import/{id}/check", post(check))
        .route("/office/import/{id}/run", post(run))
        .route("/office/import/{id}/remove", post(remove))
        .route("/office/import/{id}/notes", get(notes))
}

fn path(id: i64) -> String {
    format!("/office/import/{id}")
}

async fn find(app: &App, id: &str) -> Result<Import, Error> {
    db::imports::get(&mut *app.db.conn().await?, number(id)?).await?.ok_or(Error::NotFound)
}

/// `GET /office/import`
async fn show_first(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    require(&app, &by, "import.list", "imports").await?;
    first(&app, &by, None).await
}

async fn first(app: &App, by: &SignedIn, problem: Option<String>) -> Result<Response, Error> {
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = Begin::new(app, problem).await?;
    desk::show(by, status, SUBSCRIBERS, "Import people", "office/import_first", &page)
}

/// `POST /office/import`: a file, whose bytes go to the database as they come. The fields before it are the form's token and
/// the newsletter: nothing of the file is read for anybody who may not.
async fn upload(State(app): State<App>, request: Request) -> Result<Response, Error> {
    let (mut parts, body) = request.into_parts();
    let by = SignedIn::from_request_parts(&mut parts, &app).await?;
    if !is_from_here(&parts.headers, &app.settings.public_url) {
        return Err(by.not_ours(&app, UPLOAD_PATH).await);
    }
    require(&app, &by, "import.upload", "a file").await?;
    let form = Multipart::from_request(Request::from_parts(parts, body), &app).await;
    let mut form = form.map_err(|_| Error::NotAForm)?;
    match take(&app, &by, &mut form).await {
        Ok(id) => Ok(Redirect::to(&path(id)).into_response()),
        Err(Error::Refused(says)) => {
            // A browser shows the answer once it has sent its form.
            drain(form).await;
            first(&app, &by, Some(says)).await
        }
        Err(error) => Err(error),
    }
}

/// Reads what is left of a form, up to the size of a file that would be taken.
async fn drain(mut form: Multipart) {
    let mut left = uploads::MAX_UPLOAD;
    while let Ok(Some(mut part)) = form.next_field().await {
        while let Ok(Some(bytes)) = part.chunk().await {
            left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            if left == 0 {
                return;
            }
        }
    }
}

/// The connection broke: nobody is there to read the answer.
fn broken(_: axum::extract::multipart::MultipartError) -> Error {
    Error::Slow
}

async fn take(app: &App, by: &SignedIn, form: &mut Multipart) -> Result<i64, Error> {
    let (mut is_ours, mut newsletter_id) = (false, None);
    while let Some(mut part) = form.next_field().await.map_err(broken)? {
        match part.name().unwrap_or_default() {
            "token" => {
                by.check(app, &text(&mut part).await?, UPLOAD_PATH).await?;
                is_ours = true;
            }
            "newsletter" => {
                let slug = text(&mut part).await?;
                let newsletter = editors::find_newsletter(&mut *app.db.conn().await?, &slug).await;
                newsletter_id = match newsletter {
                    Ok(newsletter) => Some(newsletter.id),
                    Err(_) => {
                        return Err(Error::Refused("Choose the newsletter to subscribe them to.".to_owned()));
                    }
                };
            }
            "file" => {
                if !is_ours {
                    return Err(by.not_ours(app, UPLOAD_PATH).await);
                }
                let Some(newsletter_id) = newsletter_id else {
                    return Err(Error::Refused("Choose the newsletter to subscribe them to.".to_owned()));
                };
                let name = file_name(part.file_name().unwrap_or_default());
                // A node that takes files may run no schedule, which does that by the hour.
                uploads::forget(app).await?;
                let mut upload = Upload::begin(app)?;
                while let Some(bytes) = part.chunk().await.map_err(broken)? {
                    upload.write(&bytes).await?;
                }
                return Ok(upload.finish(&by.actor(), newsletter_id, &name).await?);
            }
            _ => {}
        }
    }
    match is_ours {
        true => Err(Error::Refused("Choose a file.".to_owned())),
        false => Err(Error::FromElsewhere),
    }
}

async fn text(part: &mut Part<'_>) -> Result<String, Error> {
    let mut bytes = vec![];
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        if bytes.len() + chunk.len() > MAX_FIELD {
            return Err(Error::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}"))
}

/// A file's name as it is kept for the record: on one line, without folders.
fn file_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|sign| !sign.is_control()).take(MAX_NAME).collect();
    let name = one_line("name", &name, MAX_NAME).unwrap_or_default();
    if name.is_empty() { "file.csv".to_owned() } else { name }
}

/// `GET /office/import/{id}`: what is to be said about the file, how far it is, or what came of it.
async fn show(State(app): State<App>, Segment(id): Segment, by: SignedIn) -> Result<Response, Error> {
    require(&app, &by, "import.see", &format!("import {id}")).await?;
    let upload = find(&app, &id).await?;
    page(&app, &by, upload, None).await
}

async fn page(
    app: &App,
    by: &SignedIn,
    upload: Import,
    wrong: Option<(Vec<Option<Field>>, String, String)>,
) -> Result<Response, Error> {
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let view = import_form::View::new(app, upload, wrong).await?;
    let mut response = desk::show(by, status, SUBSCRIBERS, "Import people", "office/import", &view)?;
    if view.is_at_work() {
        // Shows by itself how it goes on, without scripts.
        response.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static("2"));
    }
    Ok(response)
}

/// `POST /office/import/{id}/check`: a dry run.
async fn check(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    begin(&app, &id, act, true).await
}

/// `POST /office/import/{id}/run`: the import itself, of the columns of the dry run.
async fn run(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    begin(&app, &id, act, false).await
}

async fn begin(app: &App, id: &str, Act { by, form }: Act, dry_run: bool) -> Result<Response, Error> {
    let action = if dry_run { "import.check" } else { "import.run" };
    require(app, &by, action, &format!("import {id}")).await?;
    let upload = find(app, id).await?;
    let (columns, consent_words) = match dry_run {
        true => (said_columns(&form), form.get("consent").to_owned()),
        false => (uploads::columns(&upload), upload.consent_words.clone()),
    };
    let begun = match one_line("words of consent", &consent_words, MAX_CONSENT) {
        Ok(words) => uploads::begin(app, &by.actor(), &upload, &columns, &words, dry_run).await,
        Err(says) => Err(pipeline::Error::Invalid(says)),
    };
    match begun {
        Ok(()) => Ok(Redirect::to(&path(upload.id)).into_response()),
        Err(pipeline::Error::Invalid(says)) => {
            page(app, &by, upload, Some((columns, consent_words, says))).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The field of each column, in the order of the form: empty for one that is skipped.
fn said_columns(form: &Form) -> Vec<Option<Field>> {
    (0..).map_while(|place| form.first(&format!("column-{place}"))).map(Field::of_heading).collect()
}

/// `POST /office/import/{id}/remove`
async fn remove(
    State(app): State<App>,
    Segment(id): Segment,
    Act { by, .. }: Act,
) -> Result<Response, Error> {
    require(&app, &by, "import.remove", &format!("import {id}")).await?;
    let upload = find(&app, &id).await?;
    uploads::remove(&app, &by.actor(), &upload).await?;
    Ok(said::then_say(&app, UPLOAD_PATH, "The file and its report are removed. Who was taken in stays."))
}

/// `GET /office/import/{id}/notes`: every note about a line, as a CSV file.
async fn notes(State(app): State<App>, Segment(id): Segment, by: SignedIn) -> Result<Response, Error> {
    require(&app, &by, "import.see", &format!("import {id}")).await?;
    let upload = find(&app, &id).await?;
    let pieces = uploads::notes(&app, &upload).await?.ok_or(Error::NotFound)?;
    let pieces = futures_util::stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"import-{}-report.csv\"", upload.id)),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
