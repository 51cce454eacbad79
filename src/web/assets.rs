//! The embedded files that pages refer to. Their address carries a hash of what is in them, so that a browser may
//! keep them for good.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Error;
use super::form::Segment;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
    /// `v=` and the first 64 bits of its SHA-256.
    version: String,
}

static ASSETS: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    let asset = |name, content_type, content: &'static str| {
        let hash = digest(&SHA256, content.as_bytes());
        let hex: String = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Asset { name, content_type, content, version: format!("v={hex}") }
    };
    [
        asset("daybreak.css", "text/css; charset=utf-8", include_str!("../../templates/web/daybreak.css")),
        asset("icon.svg", "image/svg+xml", include_str!("../../templates/web/icon.svg")),
    ]
});

/// The address of an embedded file.
pub fn address(name: &str) -> Option<String> {
    ASSETS.iter().find(|asset| asset.name == name).map(|asset| format!("/assets/{name}?{}", asset.version))
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
