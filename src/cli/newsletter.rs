//! `daybreak newsletter …` and `daybreak schedule …`.

use clap::Subcommand;
use serde_json::json;

use super::output::Output;
use crate::db;
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::pipeline::accounts::Actor;
use crate::pipeline::newsletters::{self, NewNewsletter};
use crate::pipeline::{App, Error, compose, editors};

#[derive(Subcommand, Debug)]
pub enum NewsletterCommand {
    /// Make a newsletter
    Add {
        /// Lower-case letters, digits and hyphens: names it on the command line and in addresses
        slug: String,
        #[arg(long)]
        name: String,
        /// The address it is sent from, with or without a name: "Morning Brief <brief@example.org>"
        #[arg(long)]
        from: String,
        #[arg(long, default_value = "UTC")]
        timezone: String,
        #[arg(long, default_value = "en")]
        language: String,
        /// Further settings, as `newsletter set` takes them
        #[arg(long = "set", value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
    /// List the newsletters
    List,
    /// Show one newsletter with all its settings
    Show { slug: String },
    /// Change settings
    #[command(after_help = keys_help())]
    Set {
        slug: String,
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
}

#[derive(Subcommand, Debug)]
pub enum ScheduleCommand {
    /// Say when a newsletter goes out
    Add {
        /// The newsletter
        slug: String,
        /// Local time of day: 07:00
        #[arg(long)]
        at: String,
        /// A zone of the IANA list; the newsletter's own unless given
        #[arg(long)]
        timezone: Option<String>,
        /// daily, mon-fri, "mon,thu", weekly (Mondays), monthly (the 1st), "day 15"
        #[arg(long, default_value = "daily")]
        days: String,
        /// What subscribers choose by; daily, weekdays, weekly or monthly unless given
        #[arg(long)]
        name: Option<String>,
    },
    /// List the schedules
    List { slug: Option<String> },
    /// Show the next slots, clock changes included
    Next {
        slug: String,
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=400))]
        count: u16,
    },
    /// Stop making issues of a schedule
    Pause { slug: String, name: String },
    /// Make issues of a schedule again, from its next slot on
    Resume { slug: String, name: String },
}

fn keys_help() -> String {
    let lines: Vec<String> =
        newsletters::KEYS.iter().map(|(key, takes)| format!("  {key:<16} {takes}")).collect();
    format!("Settings:\n{}", lines.join("\n"))
}

pub async fn run(app: &App, output: Output, command: NewsletterCommand) -> Result<(), Error> {
    match command {
        NewsletterCommand::Add { slug, name, from, timezone, language, settings } => {
            let new = NewNewsletter { slug, name, from, timezone, language, settings };
            let made = newsletters::add(app, &Actor::command_line(), &new).await?;
            output.say(format!(
                "“{}” is made. Next: when it goes out (daybreak schedule add {} --at 07:00), where its articles come \
                 from (daybreak source add {} URL), and who gets it (daybreak subscriber import FILE --newsletter {}).",
                made.name, made.slug, made.slug, made.slug
            ));
        }
        NewsletterCommand::List => {
            let mut conn = app.db.conn().await?;
            let all: Vec<_> = db::newsletters::list(&mut conn).await?.iter().map(as_json).collect();
            let cell =
                |item: &serde_json::Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
            let cells = |item: &serde_json::Value| {
                ["slug", "name", "from", "timezone"].map(|key| cell(item, key)).to_vec()
            };
            let empty = "There is no newsletter yet: daybreak newsletter add morning-brief --name … --from …";
            output.list(&all, &["SLUG", "NAME", "FROM", "ZONE"], cells, empty);
        }
        NewsletterCommand::Show { slug } => {
            let mut conn = app.db.conn().await?;
            let newsletter = editors::find_newsletter(&mut conn, &slug).await?;
            let topics = db::newsletters::topics(&mut conn, newsletter.id).await?;
            let mut shown = as_json(&newsletter);
            shown["topics"] = json!(topics.iter().map(|topic| &topic.name).collect::<Vec<_>>());
            let lines: Vec<(&str, String)> = KEYS_SHOWN
                .iter()
                .map(|key| {
                    (*key, shown[*key].as_str().map_or_else(|| shown[*key].to_string(), str::to_owned))
                })
                .collect();
            output.one(&shown, &lines);
        }
        NewsletterCommand::Set { slug, settings } => {
            newsletters::set(app, &Actor::command_line(), &slug, &settings).await?;
            let keys = settings.iter().map(|pair| pair.split('=').next().unwrap_or_default().trim());
            let keys: Vec<(&str, &str)> = keys.map(|key| (key, key)).collect();
            output.say(format!("Changed. {}", newsletters::counts(&keys)));
        }
    }
    Ok(())
}

const KEYS_SHOWN: [&str; 24] = [
    "slug",
    "name",
    "description",
    "from",
    "reply-to",
    "language",
    "timezone",
    "postal-address",
    "colour",
    "logo-url",
    "approval",
    "min-articles",
    "max-articles",
    "max-age-hours",
    "order",
    "match-language",
    "subject",
    "preheader",
    "cutoff-minutes",
    "grace-minutes",
    "editors",
    "measure",
    "listed",
    "topics",
];

fn as_json(newsletter: &Newsletter) -> serde_json::Value {
    let rules = &newsletter.rules;
    let editors: Vec<&str> = newsletter.editors.iter().map(|editor| editor.as_str()).collect();
    json!({
        "slug": newsletter.slug,
        "name": newsletter.name,
        "description": newsletter.description,
        "from": format!("{} <{}>", newsletter.from.name, newsletter.from.address),
        "reply-to": newsletter.reply_to.as_ref().map_or("", |address| address.as_str()),
        "language": newsletter.language,
        "timezone": newsletter.zone.name(),
        "postal-address": newsletter.postal_address,
        "colour": newsletter.colour,
        "logo-url": newsletter.logo_url.as_deref().unwrap_or(""),
        "approval": rules.approval.as_str(),
        "min-articles": rules.min_articles,
        "max-articles": rules.max_articles,
        "max-age-hours": rules.max_age_hours,
        "order": rules.order.as_str(),
        "match-language": rules.match_language,
        "subject": rules.subject,
        "preheader": rules.preheader,
        "cutoff-minutes": rules.cutoff_minutes,
        "grace-minutes": rules.grace_minutes,
        "editors": editors.join(" "),
        "measure": rules.measure.as_str(),
        "listed": newsletter.is_listed,
    })
}

pub async fn run_schedule(app: &App, output: Output, command: ScheduleCommand) -> Result<(), Error> {
    match command {
        ScheduleCommand::Add { slug, at, timezone, days, name } => {
            let made = newsletters::add_schedule(
                app,
                &Actor::command_line(),
                &slug,
                name.as_deref(),
                &at,
                timezone.as_deref(),
                &days,
            )
            .await?;
            // Its first issue begins to fill at once.
            compose::compose(app).await?;
            output.say(format!("“{}” is made: {}.", made.name, in_words(&made)));
        }
        ScheduleCommand::List { slug } => {
            let mut conn = app.db.conn().await?;
            let newsletters = match slug {
                Some(slug) => vec![editors::find_newsletter(&mut conn, &slug).await?],
                None => db::newsletters::list(&mut conn).await?,
            };
            let mut rows = vec![];
            for newsletter in newsletters {
                for schedule in db::newsletters::schedules_of(&mut conn, newsletter.id).await? {
                    rows.push(json!({ "newsletter": newsletter.slug, "name": schedule.name,
                        "when": in_words(&schedule), "paused": schedule.paused }));
                }
            }
            let cell =
                |item: &serde_json::Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
            let cells = |item: &serde_json::Value| {
                let state = if item["paused"] == true { "paused" } else { "active" };
                vec![cell(item, "newsletter"), cell(item, "name"), cell(item, "when"), state.to_owned()]
            };
            let empty = "There is no schedule yet: daybreak schedule add SLUG --at 07:00";
            output.list(&rows, &["NEWSLETTER", "NAME", "WHEN", "STATE"], cells, empty);
        }
        ScheduleCommand::Next { slug, count } => {
            let mut rows = vec![];
            for (schedule, slots) in newsletters::next_slots(app, &slug, usize::from(count)).await? {
                for slot in slots {
                    let local =
                        slot.at.in_zone(schedule.slots.zone).format("%a %Y-%m-%d %H:%M %Z").to_string();
                    rows.push(json!({ "schedule": schedule.name, "date": slot.date, "local": local,
                        "utc": slot.at.to_string() }));
                }
            }
            let cells = |item: &serde_json::Value| {
                ["schedule", "local", "utc"]
                    .map(|key| item[key].as_str().unwrap_or_default().to_owned())
                    .to_vec()
            };
            let empty = "It has no schedule yet: daybreak schedule add SLUG --at 07:00";
            output.list(&rows, &["SCHEDULE", "LOCAL", "UTC"], cells, empty);
        }
        ScheduleCommand::Pause { slug, name } => {
            newsletters::pause_schedule(app, &Actor::command_line(), &slug, &name, true).await?;
            output.say(format!(
                "“{name}” is paused: no issue goes out until `daybreak schedule resume {slug} {name}`."
            ));
        }
        ScheduleCommand::Resume { slug, name } => {
            newsletters::pause_schedule(app, &Actor::command_line(), &slug, &name, false).await?;
            output.say(format!("“{name}” goes on from its next slot."));
        }
    }
    Ok(())
}

fn in_words(schedule: &Schedule) -> String {
    let slots = schedule.slots;
    format!("{} at {} {}", slots.recurrence, slots.at, slots.zone)
}
