//! What an article's picture shows, in words: written in the inbox for every issue.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::inbox::{Typed, show, view};
use crate::db;
use crate::db::articles::Article;
use crate::domain::user::Role;
use crate::pipeline::composing::{self, Alt, By};
use crate::pipeline::{self, App};
use crate::web::Error;
use crate::web::auth::Act;
use crate::web::form::Form;
use crate::web::said;

/// A picture, and the form that says what it shows.
#[derive(Clone, Debug, Serialize)]
pub struct PictureForm {
    article_id: i64,
    url: String,
    alt: String,
    is_decorative: bool,
    /// Nobody has said anything of it.
    is_mute: bool,
    problem: String,
}

impl PictureForm {
    /// That of an article, with what was `typed` where that is of the same; none where it has no picture.
    pub fn of(article: &Article, typed: Option<&Self>) -> Option<Self> {
        let url = article.image_url.clone()?;
        Some(match typed.filter(|typed| typed.article_id == article.id) {
            Some(typed) => Self { url, ..typed.clone() },
            None => Self {
                article_id: article.id,
                url,
                alt: article.image_alt.clone().unwrap_or_default(),
                is_decorative: article.image_alt.as_deref() == Some(""),
                is_mute: article.image_alt.is_none(),
                problem: String::new(),
            },
        })
    }
}

/// `POST /desk/inbox/{article}/picture`: what it shows in the field `alt`, or that it is `decorative`.
pub async fn describe(
    State(app): State<App>,
    path: Result<Path<i64>, PathRejection>,
    act: Act,
) -> Result<Response, Error> {
    let Path(id) = path.map_err(|_| Error::NotFound)?;
    let article = db::articles::get(&mut *app.db.conn().await?, id).await?.ok_or(Error::NotFound)?;
    act.by.require(&app, Role::Editor, article.newsletter_id, "article.describe", &article.title).await?;
    let by = By::User { user: &act.by.user, network: &act.by.network };
    let is_decorative = act.form.first("decorative").is_some();
    let typed = act.form.get("alt").trim();
    // Both at once are none: whoever writes words and ticks as well is asked.
    let contradicts = is_decorative && !typed.is_empty() && article.image_alt.as_deref() != Some(typed);
    let alt = if is_decorative { Alt::Decorative } else { Alt::Words(typed) };
    let done = match contradicts {
        true => Err("Write what it shows, or tick that it is decorative: not both.".to_owned()),
        false => match composing::describe(&app, by, id, alt).await {
            Err(pipeline::Error::Invalid(says)) => Err(says),
            done => Ok(done?),
        },
    };
    let view = view(&app, &act.form, article.newsletter_id).await?;
    match done {
        Ok(done) => {
            let words = match done.image_alt.as_deref() {
                Some("") => format!(
                    "The picture of “{}” is decorative: it is left out where mails are read aloud.",
                    done.title
                ),
                Some(_) => format!("It is written what the picture of “{}” shows.", done.title),
                None => format!("Nothing says what the picture of “{}” shows.", done.title),
            };
            Ok(said::then_say(&app, &format!("/desk/inbox?{view}#a{id}"), words))
        }
        Err(problem) => {
            let picture = PictureForm {
                article_id: id,
                url: String::new(),
                alt: typed.to_owned(),
                is_decorative,
                is_mute: false,
                problem,
            };
            let typed = Typed { picture: Some(picture), ..Typed::default() };
            let view = Form::of_query(Some(&view));
            show(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, &view, typed).await
        }
    }
}
