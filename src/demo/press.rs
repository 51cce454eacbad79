//! The papers' web server: their feeds, their stories and their pictures.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::feeds::Edition;
use super::newsroom::{Newsroom, Publisher, Story};
use super::picture;
use crate::clock::Clock;
use crate::domain::calendar::Timestamp;
use crate::domain::mail::escape_html;

/// What the server tells from.
#[derive(Clone, Debug)]
pub struct Press {
    pub newsroom: Arc<Newsroom>,
    pub clock: Clock,
    pub start: Timestamp,
    /// Its own address: `http://127.0.0.1:4000`.
    pub base: String,
}

impl Press {
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(front))
            .route("/{paper}", get(paper))
            .route("/{paper}/feed", get(feed))
            .route("/{paper}/{name}", get(story))
            .with_state(self)
    }

    /// Where a paper's feed is.
    pub fn feed_address(&self, publisher: &Publisher) -> String {
        format!("{}/{}/feed", self.base, publisher.slug)
    }

    fn edition(&self) -> Edition<'_> {
        Edition { base: &self.base, start: self.start, now: self.clock.now() }
    }
}

async fn front(State(press): State<Press>) -> Response {
    let papers = press.newsroom.publishers.iter().map(|paper| {
        let (slug, name, about) = (&paper.slug, escape_html(&paper.name), escape_html(&paper.about));
        format!("<li><h2><a href=\"/{slug}\">{name}</a></h2><p>{about}. <a href=\"/{slug}/feed\">Feed</a></p></li>")
    });
    page("en", "The papers", &format!("<h1>The papers</h1><ul>{}</ul>", papers.collect::<String>()))
}

async fn paper(State(press): State<Press>, Path(slug): Path<String>) -> Response {
    let Some(paper) = press.newsroom.publisher(&slug) else { return nothing() };
    let edition = press.edition();
    let stories =
        paper.stories.iter().filter(|story| story.published(edition.start) <= edition.now).map(|story| {
            let address = edition.address(paper, story);
            format!(
                "<li><h2><a href=\"{address}\">{}</a></h2><p>{}</p></li>",
                escape_html(&story.headline),
                escape_html(&story.summary)
            )
        });
    let (name, about) = (escape_html(&paper.name), escape_html(&paper.about));
    let body = format!(
        "<h1>{name}</h1><p class=\"by\">{about}. <a href=\"/{slug}/feed\">Feed</a></p><ul>{}</ul>",
        stories.collect::<String>()
    );
    page(&paper.language, &paper.name, &body)
}

async fn feed(State(press): State<Press>, Path(slug): Path<String>) -> Response {
    let Some(paper) = press.newsroom.publisher(&slug) else { return nothing() };
    let document = press.edition().feed(paper);
    ([(header::CONTENT_TYPE, document.content_type)], document.text).into_response()
}

/// A story, or with `.png` behind it its picture.
async fn story(State(press): State<Press>, Path((folder, name)): Path<(String, String)>) -> Response {
    let picture = name.strip_suffix(".png");
    let Some((paper, story)) = press.newsroom.story(&folder, picture.unwrap_or(&name)) else {
        return nothing();
    };
    if picture.is_some() { show_picture(story).await } else { show_story(&press.edition(), paper, story) }
}

async fn show_picture(story: &Story) -> Response {
    let Some(scene) = story.picture.as_ref().map(|picture| picture.scene) else { return nothing() };
    // Any number will do that is always the same for a story.
    let seed = story.slug.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    // Drawing takes some 10 ms, in a debug build a second: not on a thread that others wait for.
    match tokio::task::spawn_blocking(move || picture::draw(scene, seed)).await {
        Ok(Ok(png)) => {
            let headers =
                [(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "public, max-age=3600")];
            (headers, png).into_response()
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn show_story(edition: &Edition<'_>, paper: &Publisher, story: &Story) -> Response {
    let picture = story.picture.as_ref().map(|picture| {
        let alt = escape_html(picture.alt.as_deref().unwrap_or_default());
        format!(
            "<img src=\"{}\" alt=\"{alt}\" width=\"960\" height=\"540\">",
            edition.picture_address(paper, story)
        )
    });
    let paragraphs: String = story.body.iter().map(|text| format!("<p>{}</p>", escape_html(text))).collect();
    let (slug, name) = (&paper.slug, escape_html(&paper.name));
    let body = format!(
        "<p class=\"by\"><a href=\"/{slug}\">{name}</a></p><article><h1>{}</h1><p class=\"lead\">{}</p>\
         <p class=\"by\">{}</p>{}{paragraphs}</article>",
        escape_html(&story.headline),
        escape_html(&story.summary),
        escape_html(&story.author),
        picture.unwrap_or_default(),
    );
    page(&paper.language, &story.headline, &body)
}

fn nothing() -> Response {
    let body = "<h1>There is no such story</h1><p><a href=\"/\">See the papers</a></p>";
    (StatusCode::NOT_FOUND, page("en", "There is no such story", body)).into_response()
}

/// A page in the look of a paper; everything in `body` is escaped.
fn page(language: &str, title: &str, body: &str) -> Response {
    const STYLE: &str = ":root{color-scheme:light dark}\
        body{margin:0 auto;max-width:40rem;padding:32px 20px 64px;font:1.1875rem/1.6 Charter,Georgia,serif;\
        color:light-dark(#1c1b19,#eceae4);background:light-dark(#fbfaf7,#14151a)}\
        h1{font-size:2rem;line-height:1.2;margin:8px 0 16px;text-wrap:balance}\
        h2{font-size:1.25rem;line-height:1.3;margin:0}\
        img{display:block;width:100%;height:auto;border-radius:6px;margin:0 0 24px}\
        ul{list-style:none;padding:0}li{margin:0 0 24px}li p{margin:4px 0 0}p{margin:0 0 16px}\
        .lead{font-size:1.3125rem}.by,footer{font:0.9375rem/1.5 system-ui,sans-serif;color:light-dark(#5e5a52,#a9a59b)}\
        a{color:inherit;text-underline-offset:3px}footer{margin-top:48px;border-top:1px solid;padding-top:16px}";
    let note = match language {
        "fr" => "Ce journal, cette ville et ces gens n’existent que dans la démonstration de Daybreak.",
        _ => "This paper, its town and its people exist in the demo of Daybreak only.",
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"{language}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{}</title>\
         <style>{STYLE}</style></head><body>{body}<footer>{note}</footer></body></html>\n",
        escape_html(title),
    );
    let policy = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'";
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
    (headers, html).into_response()
}
