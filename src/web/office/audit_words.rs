//! What the actions of the audit log are called.

use serde::Serialize;

/// Every action that is written down, in the order of their keys: what somebody did, or was refused.
const WORDS: &[(&str, &str)] = &[
    ("article.add", "Added an article"),
    ("article.describe", "Wrote what an article’s picture shows"),
    ("article.hold", "Held an article"),
    ("article.join", "Put an article back into a story"),
    ("article.part", "Parted an article from a story"),
    ("article.pin", "Pinned an article"),
    ("article.release", "Released an article"),
    ("article.unpin", "Unpinned an article"),
    ("audit.list", "Looked at the audit log"),
    ("dkim.add", "Made a DKIM key"),
    ("dkim.look", "Looked at the DKIM keys"),
    ("dkim.remove", "Removed a DKIM key"),
    ("dkim.sign", "Let a DKIM key sign"),
    ("form.send", "Sent a form that is none of ours"),
    ("import.check", "Looked what an import would do"),
    ("import.list", "Looked at imports"),
    ("import.remove", "Removed an uploaded file"),
    ("import.run", "Imported subscribers"),
    ("import.see", "Looked at an import"),
    ("import.upload", "Uploaded a file of subscribers"),
    ("issue.approve", "Approved an issue"),
    ("issue.cancel", "Cancelled an issue"),
    ("issue.check", "Looked at an issue’s checks"),
    ("issue.check_links", "Asked for every link of an issue"),
    ("issue.edit", "Edited an issue"),
    ("issue.hold", "Held an issue"),
    ("issue.look", "Looked at an issue"),
    ("issue.move", "Moved an issue to another time"),
    ("issue.pause", "Paused an issue"),
    ("issue.preview", "Looked at an issue’s preview"),
    ("issue.preview_as", "Looked at an issue as a subscriber gets it"),
    ("issue.results", "Looked at an issue’s results"),
    ("issue.resume", "Resumed an issue"),
    ("issue.revise", "Took an issue’s approval back to edit it"),
    ("issue.send", "Sent an issue now"),
    ("issue.start", "Began an issue"),
    ("issue.take_back", "Took back sending an issue"),
    ("issue.test", "Sent a test of an issue"),
    ("issue.watch", "Watched an issue go out"),
    ("newsletter.add", "Added a newsletter"),
    ("newsletter.look", "Looked at a newsletter’s settings"),
    ("newsletter.set", "Changed a newsletter’s settings"),
    ("relay.look", "Looked at the relays"),
    ("relay.test", "Tested a relay"),
    ("schedule.add", "Added a schedule"),
    ("schedule.change", "Changed a schedule"),
    ("schedule.pause", "Paused a schedule"),
    ("schedule.remove", "Removed a schedule"),
    ("schedule.resume", "Resumed a schedule"),
    ("segment.keep", "Kept a segment"),
    ("segment.remove", "Removed a segment"),
    ("segments.list", "Looked at segments"),
    ("source.add", "Added a source"),
    ("source.look", "Looked at a source"),
    ("source.pause", "Paused a source"),
    ("source.poll", "Polled a source"),
    ("source.remove", "Removed a source"),
    ("source.resume", "Resumed a source"),
    ("source.topics", "Changed a source’s topics"),
    ("subscriber.add", "Added a subscriber"),
    ("subscriber.edit", "Changed a subscriber"),
    ("subscriber.erase", "Erased a subscriber"),
    ("subscriber.export", "Exported what is held of a subscriber"),
    ("subscriber.see", "Looked at a subscriber"),
    ("subscriber.suppress", "Suppressed a subscriber’s address"),
    ("subscriber.tag", "Tagged a subscriber"),
    ("subscriber.unsuppress", "Took a subscriber’s address off the suppression list"),
    ("subscriber.untag", "Took a tag from a subscriber"),
    ("subscribers.change", "Changed many subscribers"),
    ("subscribers.change.go_on", "Let a change to many go on"),
    ("subscribers.change.stop", "Stopped a change to many"),
    ("subscribers.change.undo", "Undid a change to many"),
    ("subscribers.export", "Exported subscribers"),
    ("subscribers.list", "Looked at subscribers"),
    ("subscription.change", "Changed a subscription"),
    ("subscription.choose", "Changed topics or schedule of a subscriber"),
    ("subscription.leave", "Ended a subscription"),
    ("subscription.pause", "Paused a subscription"),
    ("subscription.resume", "Resumed a subscription"),
    ("suppression.add", "Suppressed an address"),
    ("suppression.remove", "Took an address off the suppression list"),
    ("suppressions.list", "Looked at the suppression list"),
    ("system.examine", "Let the system be examined"),
    ("system.look", "Looked at the system’s state"),
    ("template.check", "Checked a template"),
    ("template.default", "Put a template back to the default"),
    ("template.look", "Looked at templates"),
    ("template.preview", "Previewed a template"),
    ("template.save", "Saved a template"),
    ("topic.add", "Added a topic"),
    ("topic.change", "Changed a topic"),
    ("topic.remove", "Removed a topic"),
    ("topic.rename", "Renamed a topic"),
    ("user.add", "Added a user"),
    ("user.disable", "Disabled a user"),
    ("user.enable", "Enabled a user"),
    ("user.end_session", "Ended sessions"),
    ("user.invite", "Made a new link for a user"),
    ("user.list", "Looked at users"),
    ("user.mail_link", "Asked for a sign-in link"),
    ("user.make_recovery_codes", "Made new recovery codes"),
    ("user.name", "Changed a name"),
    ("user.password", "Changed a password"),
    ("user.recovery_code", "Used a recovery code"),
    ("user.remove", "Removed a user"),
    ("user.remove_second_factor", "Removed a second factor"),
    ("user.role", "Changed what a user may do"),
    ("user.second_factor", "Set up a second factor"),
    ("user.show", "Looked at a user"),
    ("user.sign_in", "Signed in"),
    ("user.sign_out", "Signed out"),
    ("user.welcome", "Took the account"),
];

/// What actions are about, in the order of their keys.
const NOUNS: &[(&str, &str)] = &[
    ("article", "Articles"),
    ("audit", "The audit log"),
    ("dkim", "DKIM keys"),
    ("form", "Forms from elsewhere"),
    ("import", "Imports"),
    ("issue", "Issues"),
    ("newsletter", "Newsletters"),
    ("relay", "Relays"),
    ("schedule", "Schedules"),
    ("segment", "Segments"),
    ("segments", "The list of segments"),
    ("source", "Sources"),
    ("subscriber", "Single subscribers"),
    ("subscribers", "Many subscribers"),
    ("subscription", "Subscriptions"),
    ("suppression", "Suppressed addresses"),
    ("suppressions", "The suppression list"),
    ("system", "The system"),
    ("template", "Templates"),
    ("topic", "Topics"),
    ("user", "Users and signing in"),
];

fn noun(action: &str) -> &str {
    action.split('.').next().unwrap_or_default()
}

/// Actions about the same thing, for a choice.
#[derive(Debug, Serialize)]
pub struct Group {
    words: &'static str,
    actions: Vec<Choice>,
}

#[derive(Debug, Serialize)]
struct Choice {
    value: &'static str,
    words: &'static str,
    chosen: bool,
}

/// Every action, and all of those about one thing together where they are several.
pub fn choices(chosen: &str) -> Vec<Group> {
    let choice = |value: &'static str, words| Choice { value, words, chosen: value == chosen };
    let groups = WORDS.chunk_by(|one, other| noun(one.0) == noun(other.0));
    let group = |group: &'static [(&'static str, &'static str)]| {
        let noun = noun(group[0].0);
        let words = NOUNS.binary_search_by_key(&noun, |(key, _)| key).map_or(noun, |place| NOUNS[place].1);
        let all = (group.len() > 1).then(|| choice(noun, "All of these"));
        let each = group.iter().map(|(value, words)| choice(value, words));
        Group { words, actions: all.into_iter().chain(each).collect() }
    };
    groups.map(group).collect()
}

/// Whether it is one of the choices, or none.
pub fn is_known(action: &str) -> bool {
    action.is_empty() || !words(action).is_empty() || NOUNS.iter().any(|(noun, _)| *noun == action)
}

/// What an action is called; empty where nothing of that name is written any more: then its key is shown.
pub fn words(action: &str) -> &'static str {
    let found = WORDS.binary_search_by_key(&action, |(key, _)| key);
    found.map_or("", |place| WORDS[place].1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Texts in quotes of the form `noun.verb`, whose noun some action has.
    fn keys(folder: &Path, nouns: &BTreeSet<&str>, into: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "tests" {
                keys(&path, nouns, into);
            } else if name.ends_with(".rs") && !name.contains("tests") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let is_key = |text: &&str| {
                    let is_word = |sign: char| sign.is_ascii_lowercase() || sign == '_' || sign == '.';
                    let (noun, verb) = text.split_once('.').unwrap_or_default();
                    let is_file = verb.ends_with("csv") || verb.ends_with("rs");
                    nouns.contains(noun) && !verb.is_empty() && !is_file && text.chars().all(is_word)
                };
                into.extend(code.split('"').filter(is_key).map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_action_can_be_chosen_alone_and_with_its_like() {
        assert!(NOUNS.is_sorted_by(|one, other| one.0 < other.0), "the table is searched by halves");
        let groups = choices("issue.send");
        assert!(
            groups.iter().all(|group| group.words.starts_with(char::is_uppercase)),
            "each has words: {groups:?}"
        );
        let all: Vec<&Choice> = groups.iter().flat_map(|group| &group.actions).collect();
        assert!(WORDS.iter().all(|(key, _)| all.iter().any(|choice| choice.value == *key)));
        let chosen: Vec<&str> =
            all.iter().filter(|choice| choice.chosen).map(|choice| choice.value).collect();
        assert_eq!(chosen, ["issue.send"]);
        assert!(choices("issue").iter().any(|group| group.actions[0].chosen));
    }

    #[test]
    fn every_action_that_is_written_down_has_its_words() {
        assert!(WORDS.is_sorted_by(|one, other| one.0 < other.0), "the table is searched by halves");
        let nouns = WORDS.iter().map(|(key, _)| key.split('.').next().unwrap()).collect();
        let mut found = BTreeSet::new();
        for folder in ["src/web", "src/pipeline"] {
            keys(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &nouns, &mut found);
        }
        assert!(found.contains("issue.send") && found.len() > 60, "{found:?}");
        let missing: Vec<&String> = found.iter().filter(|key| words(key).is_empty()).collect();
        assert!(missing.is_empty(), "these actions have no words: {missing:?}");
    }
}
