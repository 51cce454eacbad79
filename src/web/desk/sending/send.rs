//! Sending an issue: what each button will do, in numbers, and the buttons.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{NaiveDateTime, Timelike as _};
use serde::Serialize;

use super::found::{ChecksSay, checks_say};
use super::reaches::Reaches;
use super::words::{number, readers};
use super::{Opened, Page};
use crate::domain::calendar::{TimeOfDay, Timestamp, instant_of};
use crate::domain::delivery::{DeliveryState, SkipReason};
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::Approval;
use crate::domain::user::Role;
use crate::pipeline::seen::Seen;
use crate::pipeline::start::{self, Action, By, UNDO_MILLIS};
use crate::pipeline::{self, App, results};
use crate::web::auth::{Act, SignedIn};
use crate::web::form::{Form, Segment};
use crate::web::{Error, desk, said};

/// As a browser writes a local time.
const LOCAL: &str = "%Y-%m-%dT%H:%M";

#[derive(Serialize)]
struct SendPage {
    problem: String,
    /// What the page shows, as a form sends it back.
    saw: String,
    starting: Option<Starting>,
    reach: Option<ReachWords>,
    /// There is nothing in it that could be sent.
    is_empty: bool,
    checks: Option<ChecksSay>,
    cards: Vec<Card>,
    move_to: Option<MoveTo>,
    /// Ending it for good.
    cancel: Option<Card>,
}

/// It starts in a moment, and can be taken back.
#[derive(Serialize)]
struct Starting {
    audience: String,
    seconds: i64,
    /// Of how many.
    of: i64,
    at: String,
    /// Milliseconds until then, for the script.
    millis: i64,
    live: String,
}

#[derive(Serialize)]
struct ReachWords {
    audience: String,
    articles: String,
    others: Vec<Other>,
}

#[derive(Serialize)]
struct Other {
    count: String,
    why: &'static str,
}

/// One thing to do: what it will do, and its button.
#[derive(Serialize)]
struct Card {
    /// What the form sends as `do`.
    name: &'static str,
    heading: String,
    says: Vec<String>,
    button: String,
    class: &'static str,
}

#[derive(Serialize)]
struct MoveTo {
    says: String,
    zone: String,
    value: String,
    min: String,
}

/// `GET /desk/issues/{id}/send`: where the mail that asks for approval leads.
pub async fn show(
    State(app): State<App>,
    Extension(reaches): Extension<Reaches>,
    by: SignedIn,
    Segment(id): Segment,
) -> Result<Response, Error> {
    let opened = Opened::find(&app, &by, &id, Role::Editor, "issue.send").await?;
    page(&app, &reaches, &by, &opened, StatusCode::OK, String::new()).await
}

/// `POST /desk/issues/{id}/send`
pub async fn act(
    State(app): State<App>,
    Extension(reaches): Extension<Reaches>,
    Segment(id): Segment,
    act: Act,
) -> Result<Response, Error> {
    let Act { by, form } = act;
    // Who may not is refused whatever they send, and it is written down as what they tried.
    let name = match form.get("do") {
        "approve" => "issue.approve",
        "hold" => "issue.hold",
        "revise" => "issue.revise",
        "undo" => "issue.take_back",
        "move" => "issue.move",
        "pause" => "issue.pause",
        "resume" => "issue.resume",
        "cancel" => "issue.cancel",
        _ => "issue.send",
    };
    let opened = Opened::find(&app, &by, &id, Role::Editor, name).await?;
    reaches.forget(opened.issue.id);
    let done = match action(&form, &opened) {
        Ok(action) => {
            let from = By { user: &by.user, network: &by.network };
            start::act(&app, from, opened.issue.id, form.get("saw"), action)
                .await
                .map(|issue| (action, issue))
        }
        Err(why) => Err(pipeline::Error::Invalid(why)),
    };
    match done {
        Ok((Action::SendNow, _)) => {
            Ok((StatusCode::SEE_OTHER, [(header::LOCATION, opened.path("send"))]).into_response())
        }
        Ok((action, issue)) => {
            let page = match (action, form.get("back")) {
                (Action::TakeBack, "today") => "/desk".to_owned(),
                (Action::TakeBack, "issue") | (Action::Revise, _) => opened.path(""),
                (Action::Resume, _) => opened.path("live"),
                _ => opened.path("send"),
            };
            Ok(said::then_say(&app, &page, told(&opened, action, &issue)))
        }
        Err(pipeline::Error::Invalid(why)) => {
            let opened = Opened::find(&app, &by, &id, Role::Editor, name).await?;
            page(&app, &reaches, &by, &opened, StatusCode::UNPROCESSABLE_ENTITY, why).await
        }
        Err(error) => Err(error.into()),
    }
}

fn action(form: &Form, opened: &Opened) -> Result<Action, String> {
    Ok(match form.get("do") {
        "approve" => Action::Approve,
        "hold" => Action::Hold,
        "revise" => Action::Revise,
        "now" => Action::SendNow,
        "undo" => Action::TakeBack,
        "pause" => Action::Pause,
        "resume" => Action::Resume,
        "cancel" => Action::Cancel,
        "move" => Action::Move(local(form.get("at"), opened)?),
        _ => return Err("Press one of the buttons.".to_owned()),
    })
}

/// A local time in the issue's zone.
fn local(text: &str, opened: &Opened) -> Result<Timestamp, String> {
    let wrong = || {
        format!("“{}” is not a day and a time: write 2026-03-29T07:00, for instance.", text.escape_debug())
    };
    let given = NaiveDateTime::parse_from_str(text.trim(), LOCAL).map_err(|_| wrong())?;
    let minutes = i64::from(given.hour() * 60 + given.minute());
    let at = TimeOfDay::from_minutes(minutes).ok_or_else(wrong)?;
    Ok(instant_of(given.date(), at, opened.zone))
}

/// What was done, and what will happen next.
fn told(opened: &Opened, action: Action, issue: &Issue) -> String {
    let slot = opened.when(issue.slot_at);
    let away = match issue.slot_at.in_zone(opened.zone).date_naive() == issue.slot_date {
        true => None,
        false => opened.day().map(|day| format!(" {day} then has no issue.")),
    };
    let away = away.unwrap_or_default();
    match action {
        Action::Approve if issue.slot_at <= opened.now => "It is approved, and goes out now.".to_owned(),
        Action::Approve => format!("It is approved, and goes out {slot}."),
        Action::Hold => {
            format!("It is held: it does not go out before somebody approves it{}.", opened.or_skipped())
        }
        Action::Revise => {
            let was = match opened.issue.state {
                IssueState::Approved => "Its approval is taken back, and it is held",
                _ => "It is held",
            };
            format!("{was}: edit it here. It goes out only once somebody approves it{}.", opened.or_skipped())
        }
        Action::TakeBack if issue.held && !opened.issue.held => format!(
            "Nothing went out. Its time has come meanwhile: it is held, does not go out before somebody approves it{}.",
            opened.or_skipped()
        ),
        Action::SendNow | Action::TakeBack => "Nothing went out: the issue is as it was before.".to_owned(),
        Action::Move(_) if issue.state == IssueState::Draft && issue.cutoff_at <= opened.now => {
            format!("Its time is {slot} now, and its content freezes at once.{away}")
        }
        Action::Move(_) if issue.state == IssueState::Draft => {
            format!("Its time is {slot} now. Its content freezes {}.{away}", opened.when(issue.cutoff_at))
        }
        Action::Move(_) => format!("Its time is {slot} now.{away}"),
        Action::Pause => "It stands still. What was on the wire at that moment still arrives.".to_owned(),
        Action::Resume => "It goes on where it stood.".to_owned(),
        Action::Cancel => "It is cancelled: nobody else gets it.".to_owned(),
    }
}

async fn page(
    app: &App,
    reaches: &Reaches,
    by: &SignedIn,
    opened: &Opened,
    status: StatusCode,
    problem: String,
) -> Result<Response, Error> {
    let saw = {
        let mut conn = app.db.conn().await?;
        Seen::now(&mut conn, &opened.newsletter, &opened.issue, opened.starts_at).await?
    };
    let mut page = SendPage {
        problem,
        saw: saw.to_string(),
        starting: None,
        reach: None,
        is_empty: false,
        checks: None,
        cards: vec![],
        move_to: None,
        cancel: None,
    };
    match opened.issue.state {
        IssueState::Draft | IssueState::Frozen | IssueState::Approved => {
            before(app, reaches, opened, &saw, &mut page).await?
        }
        IssueState::Sending | IssueState::Paused => under_way(app, opened, &mut page).await?,
        IssueState::Sent | IssueState::Cancelled | IssueState::Skipped => {}
    }
    let title = format!("Send: {}", opened.name());
    let page = Page { head: opened.head("send"), own: &page };
    desk::show(by, status, "/desk/issues", &title, "desk/sending/send", &page)
}

/// An issue that has not started.
async fn before(
    app: &App,
    reaches: &Reaches,
    opened: &Opened,
    saw: &Seen,
    page: &mut SendPage,
) -> Result<(), Error> {
    let issue = &opened.issue;
    let reach = reaches.of(app, opened, saw).await?;
    let getting = reach.groups.iter().find(|group| group.reason.is_none());
    let (count, own_hour) = getting.map_or((0, 0), |group| (group.count, group.own_hour));
    let audience = readers(count);
    if let Some(at) = opened.starts_at {
        let millis = (at.millis() - opened.now.millis()).max(0);
        page.starting = Some(Starting {
            audience,
            seconds: (millis + 999) / 1000,
            of: UNDO_MILLIS / 1000,
            at: at.in_zone(opened.zone).format("%H:%M:%S").to_string(),
            millis,
            live: opened.path("live"),
        });
        return Ok(());
    }
    let is_draft = issue.state == IssueState::Draft;
    let articles = if is_draft { saw.articles.len() } else { reach.articles };
    let articles = i64::try_from(articles).unwrap_or(i64::MAX);
    let others = reach.groups.iter().filter_map(|group| {
        // In an issue without an article nobody finds anything: that is no choice of theirs.
        let reason = group.reason.filter(|reason| articles > 0 || *reason != SkipReason::NoArticles)?;
        Some(Other { count: number(group.count), why: reason.sentence() })
    });
    page.reach = Some(ReachWords {
        audience: audience.clone(),
        articles: if articles == 1 {
            "1 article".to_owned()
        } else {
            format!("{} articles", number(articles))
        },
        others: others.collect(),
    });
    page.is_empty = articles == 0;
    page.checks = Some(checks_say(app, opened).await?);
    let slot = opened.when(issue.slot_at);
    let has_passed = issue.slot_at <= opened.now;
    if articles > 0 && issue.state != IssueState::Approved {
        let mut says = match has_passed {
            true if is_draft && !opened.is_scheduled => {
                vec![format!("It goes to {audience} as soon as you approve it.")]
            }
            true => vec![format!("Its time was {slot}: it goes to {audience} as soon as you approve it.")],
            false => vec![format!("It goes to {audience} {slot}.")],
        };
        if own_hour > 0 && !has_passed {
            says.push(format!("{} of them get it at the hour that they chose.", number(own_hour)));
        }
        if is_draft {
            says.push("Its content is frozen now, and no longer changes.".to_owned());
        }
        page.cards.push(Card {
            name: "approve",
            heading: "Approve it".to_owned(),
            says,
            button: "Approve this issue".to_owned(),
            class: "",
        });
    }
    if articles > 0 && count > 0 {
        let mut says = vec![format!(
            "It goes to {audience} at once{}.",
            if has_passed { String::new() } else { format!(", and not {slot}") }
        )];
        if own_hour > 0 {
            says.push(format!(
                "{} of them chose an hour of their own: they get it now, too.",
                number(own_hour)
            ));
        }
        let is_early = issue.slot_date != opened.now.in_zone(opened.zone).date_naive();
        if let Some(day) = opened.day().filter(|_| is_early) {
            says.push(match is_draft {
                true => format!("It becomes an issue of today; {day} gets its own."),
                false => format!("It stays the issue of {day}, which then gets no other."),
            });
        }
        says.push("The first message leaves after 30 seconds: until then you can take it back.".to_owned());
        let class = if issue.state == IssueState::Approved { "" } else { "quiet" };
        let button = format!("Send to {audience}");
        page.cards.push(Card { name: "now", heading: "Send it now".to_owned(), says, button, class });
    }
    // What goes out only when an editor sends or approves it need not be held.
    let waits = issue.state == IssueState::Frozen && opened.newsletter.rules.approval == Approval::Required;
    if !issue.held && !waits && (opened.is_scheduled || !is_draft) {
        let says = vec![format!(
            "It does not go out {}, nor at any time before somebody approves it{}.",
            if has_passed { "now".to_owned() } else { slot.clone() },
            opened.or_skipped()
        )];
        page.cards.push(Card {
            name: "hold",
            heading: "Hold it".to_owned(),
            says,
            button: "Hold this issue".to_owned(),
            class: "quiet",
        });
    }
    if let Some(revise) = opened.revise() {
        page.cards.push(Card {
            name: "revise",
            heading: revise.heading.to_owned(),
            says: revise.says,
            button: revise.button.to_owned(),
            class: "quiet",
        });
    }
    if !is_draft || issue.schedule_id.is_some() {
        let until = {
            let mut conn = app.db.conn().await?;
            start::move_before(&mut conn, issue).await?
        };
        let until =
            until.map(|at| format!(", and before {}, when the next issue goes out", opened.limit(at)));
        let freezing = if is_draft { freezing(opened) } else { String::new() };
        let until = until.unwrap_or_default();
        let stays = opened.day().map(|day| {
            format!(" It stays the issue of {day}: at a time on another day, {day} then has no issue.")
        });
        let stays = stays.unwrap_or_default();
        page.move_to = Some(MoveTo {
            says: format!("Its time is {slot}. Choose a later one than now{until}.{stays}{freezing}"),
            zone: crate::web::words::zone_name(opened.zone),
            value: issue.slot_at.in_zone(opened.zone).format(LOCAL).to_string(),
            min: opened.now.in_zone(opened.zone).format(LOCAL).to_string(),
        });
    }
    page.cancel = Some(Card {
        name: "cancel",
        heading: "Cancel it for good".to_owned(),
        says: vec![
            format!("{audience} do not get it. There is no way back."),
            "Its articles can go out with the next issue.".to_owned(),
        ],
        button: "Cancel this issue for good".to_owned(),
        class: "danger",
    });
    Ok(())
}

/// What another time does to an issue that is filling.
fn freezing(opened: &Opened) -> String {
    let minutes = opened.newsletter.rules.cutoff_minutes;
    let freezes = match minutes {
        0 => "at that time".to_owned(),
        1 => "1 minute before that time, or at once where that has passed".to_owned(),
        many => format!("{} minutes before that time, or at once where that has passed", number(many)),
    };
    let approval = match opened.newsletter.rules.approval {
        _ if opened.issue.held => "it is held, and does not go out before somebody approves it",
        Approval::Automatic => "it then goes out without anybody's word",
        Approval::UnlessHeld => "editors are told then, and it goes out unless one of them holds it",
        Approval::Required => "editors are told then, and it goes out once one of them approves it",
    };
    let own = opened.issue.moved_from.map(|at| format!(" Its schedule's own time is {}.", opened.limit(at)));
    format!(" Its content freezes {freezes}; {approval}.{}", own.unwrap_or_default())
}

/// An issue that is going out, or stands still.
async fn under_way(app: &App, opened: &Opened, page: &mut SendPage) -> Result<(), Error> {
    let progress = results::progress(app, opened.issue.id).await?;
    let sent = progress.count(DeliveryState::Sent);
    let open = progress.open();
    let has = if sent == 1 { "has" } else { "have" };
    let so_far = format!("{} {has} it; {} wait.", readers(sent), number(open));
    page.cards.push(match opened.issue.state {
        IssueState::Paused => Card {
            name: "resume",
            heading: "Go on".to_owned(),
            says: vec![
                so_far,
                "Whom the relay refused for a reason of ours is tried again. Nobody gets it twice."
                    .to_owned(),
            ],
            button: format!("Go on with {}", readers(open)),
            class: "",
        },
        _ => Card {
            name: "pause",
            heading: "Pause it".to_owned(),
            says: vec![
                so_far,
                "It stops within a second: only what is on the wire still arrives. You can go on later."
                    .to_owned(),
            ],
            button: "Pause the sending".to_owned(),
            class: "",
        },
    });
    page.cancel = Some(Card {
        name: "cancel",
        heading: "Cancel it for good".to_owned(),
        says: vec![format!(
            "{} {has} it and keep it. {} do not get it. There is no way back.",
            readers(sent),
            readers(open)
        )],
        button: format!("Cancel for {}", readers(open)),
        class: "danger",
    });
    Ok(())
}
