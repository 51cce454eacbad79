//! The embedded files that pages refer to. Their address carries a hash of what is in them, so that a browser may
//! keep them for good.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};

use super::Error;
use super::form::Segment;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
    /// `v=` and the first 64 bits of its SHA-256.
    version: String,
}

/// The files in `templates/web` that are no pages, by their name without a folder.
const FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/web_assets.rs"));

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |(name, content): &(&'static str, &'static str)| {
        let hash = digest(&SHA256, content.as_bytes());
        let hex: String = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Asset { name, content_type: content_type(name), content, version: format!("v={hex}") }
    };
    FILES.iter().map(asset).collect()
});

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// The address of an embedded file.
pub fn address(name: &str) -> Option<String> {
    ASSETS.iter().find(|asset| asset.name == name).map(|asset| format!("/assets/{name}?{}", asset.version))
}

/// `GET /favicon.ico`: what browsers ask for where a page names no icon, as a mail that is viewed as a page.
pub async fn icon() -> Result<Redirect, Error> {
    address("icon.svg").map(|address| Redirect::to(&address)).ok_or(Error::NotFound)
}

/// `GET /assets/{name}`
pub async fn get(Segment(name): Segment, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or(Error::NotFound)?;
    // Without the right version it is a guess, and must not be kept under that address.
    let keep = if query.as_deref() == Some(&asset.version) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = [(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, keep)];
    Ok((headers, asset.content).into_response())
}
