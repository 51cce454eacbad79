//! Asks whether there is something at a link, without reading it.

use std::time::Duration;

use reqwest::header;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::error::FetchError;
use super::{Fetcher, MOST_REDIRECTS, find_target, header_text, meaning_of};

/// What is at a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knocked {
    /// The `Content-Type` header as written.
    pub content_type: Option<String>,
}

impl Fetcher {
    /// Asks for a link as a browser does, follows it elsewhere, and hangs up at the answer. Several at a time may ask
    /// one host: whoever calls keeps them few.
    ///
    /// # Errors
    /// As for a fetch.
    pub async fn knock(&self, url: &Url, limit: Duration) -> Result<Knocked, FetchError> {
        let deadline = Instant::now() + limit;
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            self.check(&url)?;
            let host = url.host_str().unwrap_or_default();
            let request =
                self.client.get(url.clone()).header(header::ACCEPT, "text/html, image/*, */*;q=0.8");
            let answered =
                timeout_at(deadline, request.send()).await.map_err(|_| FetchError::TooSlow { limit })?;
            let response = answered.map_err(|error| FetchError::from_reqwest(&error, host))?;
            let status = response.status();
            match status.as_u16() {
                200..=299 => {
                    return Ok(Knocked {
                        content_type: header_text(response.headers(), &header::CONTENT_TYPE),
                    });
                }
                301 | 302 | 303 | 307 | 308 => url = find_target(&url, response.headers())?,
                404 => return Err(FetchError::NotFound),
                410 => return Err(FetchError::Gone),
                401 | 403 | 451 => return Err(FetchError::Forbidden { status: status.as_u16() }),
                429 | 503 => {
                    return Err(FetchError::Busy { status: status.as_u16(), retry_after: None });
                }
                _ => return Err(FetchError::Status { status: status.as_u16(), meaning: meaning_of(status) }),
            }
        }
        Err(FetchError::TooManyRedirects { limit: MOST_REDIRECTS })
    }
}
