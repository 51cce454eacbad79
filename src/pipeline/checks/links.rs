//! Whether what a mail links to is there: each link is asked for once, a few at a time, within a bounded time.

use std::collections::BTreeMap;
use std::time::Duration;

use dom_query::Document;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use super::super::doctor::State;
use super::super::inspect::Looked;
use super::super::{App, Error, collect};
use crate::sources::fetch::{FetchError, Fetcher, Knocked};

/// How many links are looked at; the rest is counted.
const MOST_LINKS: usize = 200;

/// How many are asked for at a time: as many as a browser asks one host for.
const AT_A_TIME: usize = 6;

/// How long one may take, and all of them together: a page may take 30 seconds.
const PATIENCE: Duration = Duration::from_secs(8);
const ALL_PATIENCE: Duration = Duration::from_secs(22);

/// Issues that are looked at like this at a time.
static CHECKING: Semaphore = Semaphore::const_new(2);

/// What became of one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub url: String,
    pub is_image: bool,
    pub state: State,
    pub says: String,
}

/// Looks at every link and image of a mail, worst first; those to this service itself are left out.
///
/// # Errors
/// `Invalid` where others' links are being looked at.
pub async fn links(app: &App, looked: &Looked) -> Result<Vec<Answered>, Error> {
    let _place = CHECKING.try_acquire().map_err(|_| {
        Error::Invalid("The links of other issues are being checked: try again in half a minute.".to_owned())
    })?;
    let found = found(looked, &app.settings.public_url);
    let left_out = found.len().saturating_sub(MOST_LINKS);
    let fetcher = collect::fetcher(app)?;
    let until = Instant::now() + ALL_PATIENCE;
    let asked =
        found.into_iter().take(MOST_LINKS).map(|(url, is_image)| knock(&fetcher, url, is_image, until));
    let mut answered: Vec<Answered> = stream::iter(asked).buffer_unordered(AT_A_TIME).collect().await;
    if left_out > 0 {
        answered.push(Answered {
            url: "Others".to_owned(),
            is_image: false,
            state: State::Warning,
            says: format!("{left_out} more links were not looked at."),
        });
    }
    let rank = |state: State| match state {
        State::Bad => 0,
        State::Warning => 1,
        State::Good => 2,
    };
    answered.sort_by(|one, other| (rank(one.state), &one.url).cmp(&(rank(other.state), &other.url)));
    Ok(answered)
}

/// The addresses that a mail links to, each once, and whether it is an image.
fn found(looked: &Looked, public_url: &str) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    let mut add = |url: &str, is_image: bool| {
        let url = url.trim();
        let is_ours =
            url.strip_prefix(public_url).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_of_the_page = url.is_empty()
            || ["#", "mailto:", "tel:", "data:", "cid:"].iter().any(|start| url.starts_with(start));
        if !is_ours && !is_of_the_page {
            found.entry(url.to_owned()).or_insert(is_image);
        }
    };
    if let Ok(preview) = &looked.preview {
        let page = Document::from(preview.html());
        for link in page.select("a[href]").iter() {
            add(&link.attr("href").unwrap_or_default(), false);
        }
        for image in page.select("img[src]").iter() {
            add(&image.attr("src").unwrap_or_default(), true);
        }
    }
    // What only readers of another language get stands in no preview for everybody.
    for article in &looked.content.articles {
        add(article.url.as_deref().unwrap_or_default(), false);
        add(article.image_url.as_deref().unwrap_or_default(), true);
    }
    found
}

async fn knock(fetcher: &Fetcher, url: String, is_image: bool, until: Instant) -> Answered {
    let answer = |state: State, says: String| Answered { url: url.clone(), is_image, state, says };
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return answer(State::Warning, "There was no time left to look at it: check again.".to_owned());
    }
    let Ok(parsed) = Url::parse(&url) else {
        return answer(State::Bad, "It is not a whole address: write https://…".to_owned());
    };
    let (state, says) = judge(fetcher.knock(&parsed, PATIENCE.min(left)).await, is_image);
    answer(state, says)
}

/// What an answer says of a link. Who turns programs away, or is busy, may well let readers in.
fn judge(answer: Result<Knocked, FetchError>, is_image: bool) -> (State, String) {
    match answer {
        Ok(Knocked { content_type: Some(kind) })
            if is_image && !kind.trim().to_ascii_lowercase().starts_with("image/") =>
        {
            (State::Bad, format!("It is no image, but {kind}."))
        }
        Ok(_) => (State::Good, "It answers.".to_owned()),
        Err(
            error @ (FetchError::Forbidden { .. } | FetchError::Busy { .. } | FetchError::TooSlow { .. }),
        ) => (State::Warning, sentence(&error)),
        Err(FetchError::NotFound) => {
            (State::Bad, "There is nothing at this link (404): check it.".to_owned())
        }
        Err(error) => (State::Bad, sentence(&error)),
    }
}

fn sentence(error: &FetchError) -> String {
    let words = error.to_string();
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_turns_programs_away_may_let_readers_in() {
        let at = |content_type: &str| Ok(Knocked { content_type: Some(content_type.to_owned()) });
        assert_eq!(judge(at("text/html"), false).0, State::Good);
        assert_eq!(judge(at("image/png"), true).0, State::Good);
        assert_eq!(judge(at("text/html; charset=utf-8"), true).0, State::Bad);
        assert_eq!(judge(Err(FetchError::Forbidden { status: 403 }), false).0, State::Warning);
        assert_eq!(judge(Err(FetchError::NotFound), false).0, State::Bad);
        let (state, says) = judge(Err(FetchError::Refused { host: "localhost".to_owned() }), false);
        assert!(state == State::Bad && says.contains("inner network"));
    }
}
