//! What is looked at before an issue is sent: rules about the mail as it is, and whether its links answer.

mod links;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use dom_query::Document;

use crate::db;
use crate::db::results::SentBefore;
use crate::db::tallies::{Kind, Tally};
use crate::domain::calendar::Timestamp;
use crate::domain::issue::IssueContent;
use crate::domain::newsletter::Newsletter;
use crate::render::{self, Faint};

pub use self::links::{Answered, links};
use super::doctor::{Finding, State};
use super::inspect::{Looked, Preview};
use super::{App, Error};

/// Gmail shows the first 102 KB of a mail's HTML, and cuts the rest off behind a link: the foot with the link to leave
/// goes first.
const CLIPPED: usize = 102 * 1024;
/// From here on a longer summary or two may be too much.
const NEARLY_CLIPPED: usize = 90 * 1024;

/// An inbox on a wide screen shows about so many characters of a subject, one on a phone about half.
const LONG_SUBJECT: usize = 70;

/// How often a finding names what it is about, before it only counts.
const NAMED: usize = 5;

/// What is kept of a look at the links.
const ALL: &str = "all";
const WANTING: &str = "wanting";

/// Every rule, in the order in which an editor reads a mail. Links are looked at by [`links`].
pub async fn all(app: &App, looked: &Looked) -> Result<Vec<Finding>, Error> {
    let preview = match &looked.preview {
        Ok(preview) => preview,
        Err(why) => {
            let to_do = "Put articles into the issue, or let older ones in.";
            return Ok(vec![Finding::bad("Articles", why, to_do)]);
        }
    };
    let ids: Vec<i64> = looked.content.articles.iter().map(|article| article.id).collect();
    let issue = &looked.issue;
    let before = {
        let mut conn = app.db.conn().await?;
        db::results::sent_before(&mut conn, issue.newsletter_id, issue.schedule_id, issue.id, &ids).await?
    };
    let html = preview.html();
    let looked_at = html.clone();
    // Up to a tenth of a second for a long mail.
    let faint = tokio::task::spawn_blocking(move || render::faint(&looked_at))
        .await
        .map_err(|error| Error::Io(format!("looking at the mail's colours crashed: {error}")))?;
    Ok(vec![
        subject(&preview.subject()),
        preheader(&looked.content, &looked.newsletter),
        sender(&looked.newsletter),
        leaving(preview, &app.settings.public_url),
        postal_address(&looked.newsletter),
        alternative_texts(&looked.content, &html),
        size(html.len()),
        contrast(&looked.newsletter.colour, &faint),
        text_part(&preview.text()),
        empty_sections(&looked.content),
        sent_already(&looked.content, &before),
    ])
}

/// What looking at an issue's links found last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinksLook {
    pub at: Timestamp,
    pub all: i64,
    /// Those that are wrong, or want a look.
    pub wanting: i64,
}

/// Keeps what looking at an issue's links found.
pub async fn keep_links(app: &App, issue_id: i64, answered: &[Answered]) -> Result<(), Error> {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let wanting = answered.iter().filter(|link| link.state != State::Good).count();
    let counts = vec![(ALL.to_owned(), number(answered.len())), (WANTING.to_owned(), number(wanting))];
    let tally = Tally { at: app.clock.now(), counts };
    Ok(db::tallies::put(&mut *app.db.conn().await?, issue_id, Kind::Links, &tally).await?)
}

/// None where nobody has looked yet.
pub async fn last_links(app: &App, issue_id: i64) -> Result<Option<LinksLook>, Error> {
    let tally = db::tallies::get(&mut *app.db.conn().await?, issue_id, Kind::Links).await?;
    Ok(tally.map(|tally| LinksLook { at: tally.at, all: tally.of(ALL), wanting: tally.of(WANTING) }))
}

fn subject(subject: &str) -> Finding {
    let length = subject.trim().chars().count();
    match length {
        0 => Finding::bad("Subject", "The subject is empty.", "Write one on the issue's page."),
        1..=LONG_SUBJECT => Finding::good("Subject", format!("{length} characters.")),
        _ => Finding::warning(
            "Subject",
            format!("{length} characters: inboxes cut it, phones at about 40."),
            format!("Say what matters first, and stay below {LONG_SUBJECT}."),
        ),
    }
}

fn preheader(content: &IssueContent, newsletter: &Newsletter) -> Finding {
    let is_set = [&content.preheader, &newsletter.rules.preheader].iter().any(|line| !line.trim().is_empty());
    match is_set {
        true => Finding::good("Preheader", "It is written: inboxes show it behind the subject."),
        false => Finding::warning(
            "Preheader",
            "None is written: inboxes show the next headlines behind the subject.",
            "Write a line on the issue's page, if you have a better one.",
        ),
    }
}

fn sender(newsletter: &Newsletter) -> Finding {
    let from = &newsletter.from;
    match from.name.trim().is_empty() {
        false => Finding::good("From", format!("{} <{}>", from.name, from.address)),
        true => Finding::warning(
            "From",
            format!("Only the address {} stands there: readers look for a name.", from.address),
            "Give the newsletter a sender's name in its settings.",
        ),
    }
}

fn leaving(preview: &Preview, public_url: &str) -> Finding {
    let head = preview.eml.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
    let has = |field: &str| head.lines().any(|line| line.starts_with(field));
    if !has("list-unsubscribe:") {
        return Finding::bad(
            "Leaving in one click",
            "The header List-Unsubscribe is missing: Gmail and Yahoo ask for it.",
            "Set DAYBREAK_PUBLIC_URL to the address at which readers reach this service.",
        );
    }
    match has("list-unsubscribe-post:") {
        true => Finding::good("Leaving in one click", "Mail programs can show their own button."),
        false => Finding::warning(
            "Leaving in one click",
            format!("{public_url} is not https: mail programs show no button of their own."),
            "Serve the pages over HTTPS, and set DAYBREAK_PUBLIC_URL so.",
        ),
    }
}

fn postal_address(newsletter: &Newsletter) -> Finding {
    match newsletter.postal_address.trim().is_empty() {
        false => Finding::good("Postal address", "It stands at the foot."),
        true => Finding::warning(
            "Postal address",
            "None stands at the foot. The law asks for one in many places (CAN-SPAM in the United States).",
            "Write it into the newsletter's settings.",
        ),
    }
}

fn alternative_texts(content: &IssueContent, html: &str) -> Finding {
    let pictures = || content.articles.iter().filter(|article| article.image_url.is_some());
    let mute: Vec<(i64, String)> = pictures()
        .filter(|article| article.image_alt.is_none())
        .map(|article| (article.id, article.headline.clone()))
        .collect();
    let decorative = pictures().filter(|article| article.image_alt.as_deref() == Some("")).count();
    let page = Document::from(html);
    let images = page.select("img");
    let without = images.iter().filter(|image| image.attr("alt").is_none()).count();
    if without > 0 {
        return Finding::bad(
            "Images in words",
            format!(
                "{} in the template {} no alt: a screen reader spells its address out.",
                count(without, "image"),
                if without == 1 { "has" } else { "have" }
            ),
            "Give each image of the template an alt, empty where it says nothing.",
        );
    }
    if mute.is_empty() {
        let all = images.iter().count();
        let says = match decorative {
            _ if all == 0 => "There is no image.".to_owned(),
            0 => format!("{} with their words.", count(all, "image")),
            some => format!("{}; of articles' pictures, {some} decorative.", count(all, "image")),
        };
        return Finding::good("Images in words", says);
    }
    let names: Vec<&str> = mute.iter().map(|(_, headline)| headline.as_str()).collect();
    let finding = Finding::warning(
        "Images in words",
        format!("Without images, nothing says what is to be seen with: {}.", named(&names)),
        "Say in a few words what each picture shows. Where readers miss nothing without it, tick that it is decorative: \
         then it is passed over where a mail is read aloud.",
    );
    Finding { articles: mute, ..finding }
}

fn size(bytes: usize) -> Finding {
    let kilobytes = bytes.div_ceil(1024);
    match bytes {
        0..NEARLY_CLIPPED => Finding::good("Size", format!("{kilobytes} KB of HTML; Gmail shows up to 102.")),
        NEARLY_CLIPPED..CLIPPED => Finding::warning(
            "Size",
            format!(
                "{kilobytes} KB of HTML: Gmail cuts a mail off at 102, and the last articles may be left out."
            ),
            "Take an article out, or shorten summaries.",
        ),
        _ => Finding::bad(
            "Size",
            format!("{kilobytes} KB of HTML: Gmail cuts it off at 102, and the link to leave with it."),
            "Take articles out, or make the template smaller.",
        ),
    }
}

/// Every text on its ground, in both colour schemes, and the newsletter's colour.
fn contrast(colour: &str, faint: &[Faint]) -> Finding {
    let (light, dark) = render::readable_colour(colour);
    if !faint.is_empty() {
        let pairs: Vec<String> = faint.iter().map(ToString::to_string).collect();
        let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
        return Finding::warning(
            "Contrast",
            format!("Hard to read: {} (WCAG 2.2, 1.4.3).", named(&pairs)),
            "Choose other colours in the template, or in the newsletter's settings where one is the newsletter's.",
        );
    }
    match light.eq_ignore_ascii_case(colour) {
        true => {
            Finding::good("Contrast", format!("Every text can be read. Dark mails use {dark} for {colour}."))
        }
        false => Finding::warning(
            "Contrast",
            format!("{colour} cannot be read on white (WCAG asks for 4.5 to 1): mails use {light} instead."),
            "Choose a stronger colour in the newsletter's settings, if that one is not yours.",
        ),
    }
}

fn text_part(text: &str) -> Finding {
    match text.trim().is_empty() {
        false => Finding::good("Text part", format!("{} lines.", text.lines().count())),
        true => Finding::bad(
            "Text part",
            "It is empty: readers without HTML see nothing, and filters take it for spam.",
            "Mend the template digest/body.txt.hbs.",
        ),
    }
}

fn empty_sections(content: &IssueContent) -> Finding {
    let is_empty = |topic: &&crate::domain::topic::Topic| {
        !content.articles.iter().any(|article| article.topics.contains(topic))
    };
    let empty: Vec<&str> = content.topics.iter().filter(is_empty).map(|topic| topic.name.as_str()).collect();
    let is_for_all = content.articles.iter().any(|article| article.topics.is_empty());
    if empty.is_empty() {
        return Finding::good("Sections", "Every topic has an article.");
    }
    let consequence = match is_for_all {
        true => "readers who chose nothing else get only what is for everybody",
        false => "readers who chose nothing else get no mail",
    };
    Finding::warning(
        "Sections",
        format!("There is no article on {}: {consequence}.", named(&empty)),
        "Add an article, or leave it: the section is not printed.",
    )
}

fn sent_already(content: &IssueContent, before: &[SentBefore]) -> Finding {
    let again: BTreeSet<i64> = before.iter().map(|sent| sent.article_id).collect();
    let said: Vec<String> = content
        .articles
        .iter()
        .filter(|article| again.contains(&article.id))
        .map(|article| {
            let last = before.iter().find(|sent| sent.article_id == article.id);
            let number = last.map_or(0, |sent| sent.number);
            format!("“{}” (No. {number})", article.headline)
        })
        .collect();
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let is_out = before.iter().all(|sent| sent.is_out);
    match said.is_empty() {
        true => Finding::good("Sent before", "No article is in another issue of this schedule."),
        false => Finding::warning(
            "Sent before",
            match is_out {
                true => format!("Readers have had this already: {}.", named(&said)),
                false => format!("Another issue has this too, and it may go out first: {}.", named(&said)),
            },
            "Take it out, unless it is meant.",
        ),
    }
}

/// "a, b and 3 more".
fn named(names: &[&str]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The worst of some findings.
pub fn worst(findings: &[Finding]) -> State {
    let is = |state: State| findings.iter().any(|finding| finding.state == state);
    if is(State::Bad) {
        State::Bad
    } else if is(State::Warning) {
        State::Warning
    } else {
        State::Good
    }
}
