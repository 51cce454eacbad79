//! Articles that editors bring: by their link, or by hand.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::inbox::{Typed, filters, show};
use crate::db;
use crate::db::articles::Article;
use crate::domain::article::{ALT_CHARS, FoundArticle, LINK_CHARS, SUMMARY_CHARS, TITLE_CHARS};
use crate::domain::newsletter::Newsletter;
use crate::domain::user::Role;
use crate::pipeline::articles::{Added, ByHand, OwnField};
use crate::pipeline::composing::{self, By};
use crate::pipeline::{self, App, articles, collect, too_long};
use crate::web::Error;
use crate::web::auth::Act;
use crate::web::form::Form;
use crate::web::said;

/// The forms that bring an article, as they were filled in, and what is wrong with them.
#[derive(Clone, Debug, Serialize)]
pub struct AddForm {
    link: Own,
    title: Own,
    url: Own,
    summary: Own,
    image: Own,
    image_alt: Own,
    pub topic: String,
    by_hand: bool,
}

/// What was typed in a field, the most characters that it takes, and what is wrong with it; empty: nothing.
#[derive(Clone, Debug, Serialize)]
struct Own {
    value: String,
    most: usize,
    problem: String,
}

impl Default for AddForm {
    fn default() -> Self {
        Self::read(&Form::of_query(Some("kind=link")))
    }
}

impl AddForm {
    fn read(form: &Form) -> Self {
        let own = |name: &str, most: usize| Own {
            value: form.get(name).trim().to_owned(),
            most,
            problem: String::new(),
        };
        Self {
            link: own("link", LINK_CHARS),
            title: own("title", TITLE_CHARS),
            url: own("url", LINK_CHARS),
            summary: own("summary", SUMMARY_CHARS),
            image: own("image", LINK_CHARS),
            image_alt: own("image_alt", ALT_CHARS),
            topic: form.get("topic").to_owned(),
            by_hand: form.get("kind") != "link",
        }
    }

    fn field(&mut self, field: OwnField) -> &mut Own {
        match field {
            OwnField::Title => &mut self.title,
            OwnField::Url => &mut self.url,
            OwnField::Summary => &mut self.summary,
            OwnField::Image => &mut self.image,
            OwnField::ImageAlt => &mut self.image_alt,
        }
    }
}

/// `POST /desk/inbox`: an article by its link (`kind=link`), or by hand.
pub async fn add(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let form = &act.form;
    let newsletter = db::newsletters::find(&mut *app.db.conn().await?, form.get("newsletter"))
        .await?
        .ok_or(Error::NotFound)?;
    let what = format!("an article for {}", newsletter.name);
    act.by.require(&app, Role::Editor, newsletter.id, "article.add", &what).await?;
    let known = db::newsletters::topics(&mut *app.db.conn().await?, newsletter.id).await?;
    // A topic is chosen here, and made in the office.
    let topics: Vec<String> = (known.iter())
        .filter(|topic| topic.slug == form.get("topic"))
        .map(|topic| topic.name.clone())
        .collect();
    let mut typed = AddForm::read(form);
    let view = Form::of_query(Some(&filters(&newsletter.slug, &Form::default())));
    let found = if typed.by_hand { by_hand(&mut typed) } else { by_link(&app, &mut typed).await };
    let Some(found) = found else {
        let typed = Typed { add: typed, ..Typed::default() };
        return show(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, &view, typed).await;
    };
    let by = By::User { user: &act.by.user, network: &act.by.network };
    let words = match composing::add(&app, by, &newsletter, &found, &topics).await? {
        Added::Known(article) => format!("“{}” is there already.", article.title),
        Added::New(article) => added_words(&app, &newsletter, &article).await?,
    };
    Ok(said::then_say(&app, &format!("/desk/inbox?{}", filters(&newsletter.slug, &Form::default())), words))
}

async fn added_words(app: &App, newsletter: &Newsletter, article: &Article) -> Result<String, Error> {
    let mut conn = app.db.conn().await?;
    let standing = db::articles::standing(&mut conn, &[article.id]).await?;
    let drafts = db::issues::drafts_of(&mut conn, newsletter.id).await?;
    // The next one that fills may be another than the one that took it in by itself.
    let is_in = |issue_id: i64| standing.iter().any(|(_, standing)| *standing == issue_id);
    let is_in_next = drafts.first().is_some_and(|draft| is_in(draft.id));
    Ok(match (!standing.is_empty(), drafts.is_empty()) {
        (true, _) if is_in_next => format!("“{}” is added, and in the issue that is filling.", article.title),
        (true, _) => format!(
            "“{}” is added, and in a later issue. It waits beside the next one: put it in there if you want it sooner.",
            article.title
        ),
        (false, true) => format!("“{}” is added, and goes into the next issue.", article.title),
        (false, false) => {
            format!("“{}” is added, and waits beside the issue: put it in where you want it.", article.title)
        }
    })
}

fn by_hand(typed: &mut AddForm) -> Option<FoundArticle> {
    let some = |own: &Own| Some(own.value.clone()).filter(|value| !value.is_empty());
    let new = ByHand {
        title: typed.title.value.clone(),
        url: some(&typed.url),
        summary: Some(typed.summary.value.clone()),
        image_url: some(&typed.image),
        image_alt: some(&typed.image_alt),
        ..ByHand::default()
    };
    let mut problems = articles::problems(&new);
    if new.image_url.is_none() && new.image_alt.is_some() {
        problems
            .push((OwnField::Image, "Write the picture’s address, or leave out what it shows.".to_owned()));
    }
    for (field, says) in &problems {
        typed.field(*field).problem.clone_from(says);
    }
    if problems.is_empty() { articles::by_hand(new).ok() } else { None }
}

async fn by_link(app: &App, typed: &mut AddForm) -> Option<FoundArticle> {
    let link = &mut typed.link;
    if link.value.is_empty() {
        link.problem = "Paste the article’s link, https://…".to_owned();
        return None;
    }
    if let Some(says) = too_long(&link.value, link.most) {
        link.problem = says;
        return None;
    }
    let fetched = match collect::fetcher(app) {
        Ok(fetcher) => articles::fetch(&fetcher, &link.value).await,
        Err(error) => Err(error),
    };
    match fetched {
        Ok(found) => Some(found),
        Err(pipeline::Error::Invalid(says)) => {
            link.problem = says;
            None
        }
        Err(error) => {
            link.problem = format!("{error}. Check the link, or write title and summary by hand below.");
            typed.url.value.clone_from(&link.value);
            None
        }
    }
}
