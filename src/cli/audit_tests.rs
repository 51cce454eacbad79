//! What the command line changes is in the audit log, whichever command does it.

use clap::{CommandFactory as _, Parser as _};

use super::*;
use crate::db::audit::{self, Filter};
use crate::pipeline::testing::apps;

/// Commands that change nothing of the newsroom's, or are no single deed.
const READING: [&str; 22] = [
    "article list",
    "demo",
    "dkim list",
    "doctor",
    "issue list",
    "issue preview",
    "issue show",
    "issue status",
    "issue why",
    "migrate",
    "newsletter list",
    "newsletter show",
    "schedule list",
    "schedule next",
    "serve",
    "source list",
    "subscriber list",
    "subscriber show",
    "template check",
    "template export",
    "template render",
    "user list",
];

/// The commands that change something, in an order in which each can, and what each writes down last.
const CHANGING: [(&str, &str); 44] = [
    ("newsletter add brief --name Brief --from brief@example.org", "newsletter.add"),
    ("newsletter set brief approval=required", "newsletter.set"),
    ("article add brief --title First --url https://example.org/1", "article.add"),
    ("article import brief {page}", "article.add"),
    ("article hold 1", "article.hold"),
    ("article release 1", "article.release"),
    ("article pin 1", "article.pin"),
    ("article unpin 1", "article.unpin"),
    ("issue send brief", "issue.approve"),
    ("issue hold 1", "issue.hold"),
    ("issue write 1 --introduction Hello", "issue.edit"),
    ("issue test 1 --to ann@example.org", "issue.test"),
    ("issue approve 1", "issue.approve"),
    ("issue hold 1", "issue.hold"),
    ("issue send 1 --now", "issue.send"),
    ("issue pause 1", "issue.pause"),
    ("issue resume 1", "issue.resume"),
    ("issue cancel 1", "issue.cancel"),
    ("schedule add brief --at 07:00", "schedule.add"),
    ("schedule pause brief daily", "schedule.pause"),
    ("schedule resume brief daily", "schedule.resume"),
    ("source add brief https://example.org/feed --no-poll", "source.add"),
    ("source poll 1", "source.poll"),
    ("source pause 1", "source.pause"),
    ("source resume 1", "source.resume"),
    ("source remove 1", "source.remove"),
    ("subscriber import {people} --newsletter brief --dry-run", "import.check"),
    ("subscriber import {people} --newsletter brief", "import.run"),
    ("subscriber export --newsletter brief --output {export}", "subscribers.export"),
    ("subscriber add ann@example.org --newsletter brief", "subscriber.add"),
    ("subscriber pause ann@example.org --newsletter brief --until 2027-08-24", "subscription.pause"),
    ("subscriber resume ann@example.org --newsletter brief", "subscription.resume"),
    ("subscriber unsubscribe ann@example.org", "subscription.leave"),
    ("subscriber suppress ann@example.org", "subscriber.suppress"),
    ("subscriber unsuppress ann@example.org", "subscriber.unsuppress"),
    ("subscriber erase ann@example.org", "subscriber.erase"),
    ("dkim add example.org --selector one", "dkim.add"),
    ("dkim sign example.org one", "dkim.sign"),
    ("dkim remove example.org one", "dkim.remove"),
    ("user add ed@example.org --role editor", "user.add"),
    ("user password ed@example.org", "user.invite"),
    ("user disable ed@example.org", "user.disable"),
    ("user enable ed@example.org", "user.enable"),
    ("user remove ed@example.org", "user.remove"),
];

/// The names of all commands that do something, as they are typed.
fn commands() -> Vec<String> {
    fn below(command: &clap::Command, before: &str, into: &mut Vec<String>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let name = format!("{before}{}", sub.get_name());
            match sub.has_subcommands() {
                true => below(sub, &format!("{name} "), into),
                false => into.push(name),
            }
        }
    }
    let mut all = vec![];
    below(&Cli::command(), "", &mut all);
    all
}

#[tokio::test]
async fn every_command_that_changes_something_is_in_the_audit_log() {
    for name in commands() {
        let is_changing = CHANGING.iter().any(|(words, _)| words.starts_with(&format!("{name} ")));
        assert!(is_changing != READING.contains(&name.as_str()), "{name}: does it change something?");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let page =
        format!("<title>Second</title><article><h1>Second</h1><p>{}</p></article>", "Words. ".repeat(99));
    std::fs::write(path("page.html"), page).unwrap();
    std::fs::write(path("people.csv"), "email\nbob@example.org\n").unwrap();
    for test in apps().await {
        let mut app = test.app.clone();
        // Nothing answers there: the test mail is written down all the same.
        app.settings.relay_url = crate::config::Secret::new("smtp://127.0.0.1:1");
        let mut seen = 0;
        for (words, action) in CHANGING {
            if words == "issue pause 1" {
                crate::pipeline::address::address(&app).await.unwrap();
            }
            let words = words.replace("{page}", &path("page.html"));
            let words =
                words.replace("{people}", &path("people.csv")).replace("{export}", &path("export.csv"));
            let cli = Cli::try_parse_from(["daybreak"].into_iter().chain(words.split(' '))).unwrap();
            let Command::OnDatabase(command) = cli.command else { panic!("{words}") };
            let done = run_on_database(&app, Output { json: false }, command).await;
            // Nothing answers at the source's address either.
            let may_fail = ["issue.test", "source.poll"].contains(&action);
            assert!(may_fail || done.is_ok(), "{words}: {done:?}");
            let mut conn = app.db.conn().await.unwrap();
            let filter = Filter { after: Some(seen), ..Filter::default() };
            let lines = audit::list(&mut conn, &filter, 10).await.unwrap();
            let last = lines.first().unwrap_or_else(|| panic!("{words}: nothing is written down"));
            assert_eq!((last.who.as_str(), last.action.as_str()), ("command line", action), "{words}");
            assert!(!last.what.is_empty() && !last.is_denied, "{words}: {last:?}");
            seen = last.id;
        }
    }
}
