//! What the checks find in an issue's mail, said where it is sent.

use serde::Serialize;

use super::Opened;
use super::words::number;
use crate::pipeline::doctor::State as Grade;
use crate::pipeline::inspect::{self, Whom};
use crate::pipeline::{self, App, checks};
use crate::web::Error;

/// What the mail's checks find wrong, beside the buttons that let it go.
#[derive(Serialize)]
pub struct ChecksSay {
    wrong: Vec<Wrong>,
    /// What could be better, in a sentence; empty where nothing could.
    better: String,
    links: String,
    address: String,
}

#[derive(Serialize)]
struct Wrong {
    about: &'static str,
    says: String,
    to_do: String,
}

/// What is found wrong with an issue's mail. Links are asked for on the page of checks alone: here stands what was found
/// last.
pub async fn checks_say(app: &App, opened: &Opened) -> Result<ChecksSay, Error> {
    let looked = match inspect::look(app, opened.issue.id, &Whom::Anybody).await {
        // Templates or content that make no mail at all: the page says so, and offers what can be done.
        Err(error @ (pipeline::Error::Render(_) | pipeline::Error::Template(_))) => {
            let to_do = "Mend the templates first.".to_owned();
            let wrong = vec![Wrong { about: "The mail", says: format!("{error}."), to_do }];
            let (better, links) = (String::new(), links_say(app, opened).await?);
            return Ok(ChecksSay { wrong, better, links, address: opened.path("checks") });
        }
        looked => looked?,
    };
    let (mut wrong, mut better) = (vec![], 0);
    for finding in checks::all(app, &looked).await? {
        match finding.state {
            Grade::Good => {}
            Grade::Warning => better += 1,
            Grade::Bad => wrong.push(Wrong {
                about: finding.about,
                says: finding.says,
                to_do: finding.to_do.unwrap_or_default(),
            }),
        }
    }
    let better = match better {
        0 => String::new(),
        1 => "1 thing could be better.".to_owned(),
        more => format!("{more} things could be better."),
    };
    let links = links_say(app, opened).await?;
    Ok(ChecksSay { wrong, better, links, address: opened.path("checks") })
}

/// What the last look at the links found.
async fn links_say(app: &App, opened: &Opened) -> Result<String, Error> {
    let Some(look) = checks::last_links(app, opened.issue.id).await? else {
        return Ok("Nobody has looked yet whether its links answer.".to_owned());
    };
    let at = opened.when(look.at);
    Ok(match (look.all, look.wanting) {
        (0, _) => format!("It had no links {at}."),
        (all, 0) => format!("All {} links and images answered {at}.", number(all)),
        (all, wanting) => {
            format!("{} of {} links and images wanted a look {at}.", number(wanting), number(all))
        }
    })
}
