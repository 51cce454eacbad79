//! What became of an issue, and how it compares with those before it.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::live::Hub;
use super::measured::{self, MeasuredPart};
use super::words::{number, span};
use super::{Opened, Page};
use crate::db::outcomes::Count;
use crate::db::results::{Late, Past, Totals};
use crate::domain::delivery::{DeliveryState, SkipReason};
use crate::domain::issue::IssueState;
use crate::domain::user::Role;
use crate::pipeline::App;
use crate::pipeline::results::{self, Left, Progress};
use crate::web::Error;
use crate::web::auth::SignedIn;
use crate::web::desk;
use crate::web::desk::words::of_readers;
use crate::web::form::Segment;

/// The height of the chart's bars, the room for a figure above the highest, and a bar's width with its space, in its
/// own units.
const HEIGHT: i64 = 160;
const ABOVE: i64 = 22;
const STEP: i64 = 72;
const BAR: i64 = 40;

/// The height of the second row, for those who followed a link.
const CLICK_HEIGHT: i64 = 60;

#[derive(Serialize)]
struct ResultsPage {
    has_begun: bool,
    /// It came to its end before it began.
    never: bool,
    summary: String,
    sent: String,
    sent_share: String,
    waiting: String,
    deferred: String,
    failed: String,
    left: String,
    left_says: String,
    left_reasons: Vec<Group>,
    failures: Vec<Group>,
    skipped: Vec<Group>,
    bounced: String,
    bounced_says: String,
    complained: String,
    /// None where this issue was not measured.
    measured: Option<MeasuredPart>,
    /// Where an admin changes what is measured; empty for others.
    measure_at: String,
    chart: Option<Chart>,
}

#[derive(Serialize)]
struct Group {
    count: String,
    words: String,
}

#[derive(Serialize)]
struct Chart {
    width: i64,
    height: i64,
    /// Where it begins, above the bars, and where they stand.
    top: i64,
    ground: i64,
    bars: Vec<Bar>,
    best: String,
    /// An issue in it was measured: there is a second row of bars, for those who followed a link.
    has_clicks: bool,
    best_click: String,
    click_height: i64,
}

/// One issue: what the relay took stands on the ground, what failed on top of it.
#[derive(Serialize)]
struct Bar {
    x: i64,
    width: i64,
    label_x: i64,
    label_y: i64,
    label: String,
    sent_y: i64,
    sent_height: i64,
    failed_y: i64,
    failed_height: i64,
    /// Where the figure stands, right above the bar.
    figure_y: i64,
    here: bool,
    address: String,
    name: String,
    date: String,
    sent: String,
    failed: String,
    share: String,
    /// Empty where it was not measured.
    clicked: String,
    clicked_share: String,
    click_y: i64,
    click_height: i64,
}

/// `GET /desk/issues/{id}/results`
pub async fn show(
    State(app): State<App>,
    Extension(hub): Extension<Hub>,
    by: SignedIn,
    Segment(id): Segment,
) -> Result<Response, Error> {
    let opened = Opened::find(&app, &by, &id, Role::Viewer, "issue.results").await?;
    let progress = match opened.issue.state {
        // Whoever reloads shares the counting with those who look on.
        IssueState::Sending => hub.look(&app, opened.issue.id).await?.progress.clone(),
        _ => results::progress(&app, opened.issue.id).await?,
    };
    let left = results::left(&app, &progress).await?;
    let late = results::late(&app, &progress, left.as_ref()).await?;
    let measured = results::measured(&app, &opened.issue).await?;
    let past = results::past(&app, &progress).await?;
    let mut page = page(&opened, &progress, left.as_ref(), late, &past);
    let sent = progress.count(DeliveryState::Sent);
    page.measured = measured.map(|measured| measured::part(&measured, sent));
    if by.user.may(Role::Admin, opened.newsletter.id) {
        page.measure_at = format!("/office/newsletters/{}#measuring", opened.newsletter.slug);
    }
    let title = format!("Results: {}", opened.name());
    let page = Page { head: opened.head("results"), own: &page };
    desk::show(&by, StatusCode::OK, "/desk/issues", &title, "desk/sending/results", &page)
}

fn page(
    opened: &Opened,
    progress: &Progress,
    left: Option<&Left>,
    late: Late,
    past: &[(Past, Totals)],
) -> ResultsPage {
    let of = |state: DeliveryState| progress.count(state);
    let (sent, failed) = (of(DeliveryState::Sent), of(DeliveryState::Failed));
    let took = progress.addressed_at.zip(progress.finished_at);
    let took = took.map(|(from, to)| format!(" It took {}.", span(to.millis() - from.millis())));
    // Those whom it did not reach any more are among those whom it was for.
    let all = sent + failed + progress.cut_off();
    let ended = match progress.issue.state {
        IssueState::Cancelled => format!(" It was cancelled when {} had it.", of_readers(sent, all)),
        _ => took.unwrap_or_default(),
    };
    let summary = progress
        .addressed_at
        .map_or_else(String::new, |at| format!("It started {}.{ended}", opened.when(at)));
    let left_says = left.map_or_else(String::new, |left| match left.is_closed {
        true => format!("until the next issue, {}", opened.when(left.until)),
        false => "until now".to_owned(),
    });
    let group = |state: DeliveryState, words: fn(&str) -> String| -> Vec<Group> {
        let mut groups: Vec<&Count> =
            progress.counts.iter().filter(|count| count.state == state.as_str()).collect();
        groups.sort_by_key(|count| -count.count);
        groups
            .iter()
            .map(|count| Group {
                count: number(count.count),
                words: words(count.reason.as_deref().unwrap_or_default()),
            })
            .collect()
    };
    let is_bounce =
        |count: &&Count| count.state == "failed" && count.reason.as_deref() == Some("bad_address");
    let bounced: i64 = progress.counts.iter().filter(is_bounce).map(|count| count.count).sum();
    ResultsPage {
        has_begun: progress.addressed_at.is_some(),
        never: progress.addressed_at.is_none() && progress.issue.state.is_final(),
        summary,
        sent: number(sent),
        sent_share: share(sent, all),
        waiting: number(of(DeliveryState::Queued) + of(DeliveryState::Claimed)),
        deferred: number(of(DeliveryState::Deferred)),
        failed: number(failed),
        left: number(left.map_or(0, Left::count)),
        left_says,
        left_reasons: left.map_or_else(Vec::new, |left| {
            left.groups
                .iter()
                .map(|(reason, count)| Group {
                    count: number(*count),
                    words: left_words(reason.as_deref().unwrap_or_default()),
                })
                .collect()
        }),
        failures: group(DeliveryState::Failed, failure_words),
        skipped: group(DeliveryState::Skipped, |reason| {
            SkipReason::parse(reason).map_or_else(|| reason.to_owned(), |skip| skip.sentence().to_owned())
        }),
        bounced: number(bounced + late.bounced),
        bounced_says: match late.bounced {
            0 => String::new(),
            later => format!("{} of them after the relay had taken it", number(later)),
        },
        complained: number(late.complained),
        measured: None,
        measure_at: String::new(),
        chart: (past.len() > 1).then(|| chart(opened, past)),
    }
}

fn failure_words(reason: &str) -> String {
    match reason {
        "bad_address" => "bounced: the address does not exist",
        "refused" => "the mailbox refused it for good",
        "our_fault" => "the relay refused the sender or the message",
        "uncertain" => "the connection broke each time: the reader may have it all the same",
        "stale" => "it could not be sent while it was news",
        "try_later" => "the mailbox asked to wait until it was too late",
        "relay_down" => "no relay took mail until it was too late",
        "unreadable" => "the reader's entry is damaged",
        other => other,
    }
    .to_owned()
}

fn left_words(reason: &str) -> String {
    match reason {
        "" => "without a reason",
        "one-click" => "by their mail program's button",
        "link" => "by the mail's link",
        "too-often" => "it came too often",
        "not-for-me" => "it was not for them",
        "never-asked" => "they had never asked for it",
        "other" => "for another reason",
        "admin" => "taken off by an admin",
        other => other,
    }
    .to_owned()
}

pub fn share(part: i64, all: i64) -> String {
    match all {
        0 => "–".to_owned(),
        // What is not all is not called so by rounding.
        _ if part < all => format!("{:.1} %", (part as f64 / all as f64 * 1000.0).floor() / 10.0),
        _ => "100 %".to_owned(),
    }
}

fn chart(opened: &Opened, past: &[(Past, Totals)]) -> Chart {
    let most = past.iter().map(|(_, totals)| totals.sent + totals.failed).max().unwrap_or(0).max(1);
    let scaled = |count: i64| (count as f64 / most as f64 * HEIGHT as f64).round() as i64;
    let best_click = past.iter().filter_map(|(issue, _)| issue.clicked).max();
    let click_scaled = |count: i64| count * CLICK_HEIGHT / best_click.unwrap_or(0).max(1);
    let bar = |(index, (issue, totals)): (i64, &(Past, Totals))| {
        let (sent_height, failed_height) = (scaled(totals.sent), scaled(totals.failed));
        let date = issue.slot_at.in_zone(opened.zone);
        Bar {
            x: index * STEP + (STEP - BAR) / 2,
            width: BAR,
            label_x: index * STEP + STEP / 2,
            label_y: HEIGHT + 18,
            label: date.format("%-d %b").to_string(),
            sent_y: HEIGHT - sent_height,
            sent_height,
            failed_y: HEIGHT - sent_height - failed_height,
            failed_height,
            figure_y: HEIGHT - sent_height - failed_height - 6,
            here: issue.id == opened.issue.id,
            address: format!("/desk/issues/{}/results", issue.id),
            name: format!("No. {}", number(issue.number)),
            date: date.format("%-d %B %Y").to_string(),
            sent: number(totals.sent),
            failed: number(totals.failed),
            share: match issue.state {
                // What it did not reach any more is among the many who were to get nothing.
                IssueState::Cancelled => "cancelled".to_owned(),
                _ => share(totals.sent, totals.sent + totals.failed),
            },
            clicked: issue.clicked.map(number).unwrap_or_default(),
            clicked_share: issue.clicked.map(|clicked| share(clicked, totals.sent)).unwrap_or_default(),
            click_y: CLICK_HEIGHT - click_scaled(issue.clicked.unwrap_or(0)),
            click_height: click_scaled(issue.clicked.unwrap_or(0)),
        }
    };
    let count = i64::try_from(past.len()).unwrap_or(0);
    Chart {
        width: count * STEP,
        height: ABOVE + HEIGHT + 26,
        top: -ABOVE,
        ground: HEIGHT,
        bars: (0..).zip(past).map(bar).collect(),
        best: number(most),
        has_clicks: best_click.is_some(),
        best_click: number(best_click.unwrap_or(0)),
        click_height: CLICK_HEIGHT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_all_is_not_called_all() {
        assert_eq!(
            [share(0, 0), share(1, 1), share(9_999, 10_000), share(0, 5)],
            ["–", "100 %", "99.9 %", "0.0 %"]
        );
    }
}
