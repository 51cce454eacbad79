//! Accounts from the command line, and the links that it prints and mails.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::daybreak::{Daybreak, everywhere};
use crate::mail::Mail;

const FORM: &str = "application/x-www-form-urlencoded";

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// The link in what was printed.
fn link(printed: &str, part: &str) -> String {
    let found = printed.split_whitespace().find(|word| word.contains(part));
    found.unwrap_or_else(|| panic!("no {part} in {printed}")).to_owned()
}

async fn post(url: &str, fields: &'static str) -> reqwest::Response {
    client().post(url).header("content-type", FORM).body(fields).send().await.unwrap()
}

/// Runs a command that reads this from its standard input, and returns whether it succeeded.
fn run_with(daybreak: &Daybreak, words: &[&str], input: &str) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybreak"));
    command.args(words).env_clear().envs(daybreak.settings()).current_dir(daybreak.folder());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

#[tokio::test]
async fn serve_prints_the_first_admin_s_link_until_there_is_an_account() {
    everywhere(async |daybreak: &mut Daybreak| {
        daybreak.on_loopback();
        let service = daybreak.serve(&["--role", "web"]).await;
        let first = link(&service.says("/welcome/").await, "/welcome/");
        service.stop().await;
        let service = daybreak.serve(&["--role", "web"]).await;
        assert_eq!(
            link(&service.says("/welcome/").await, "/welcome/"),
            first,
            "a restart takes nothing back"
        );
        let made = post(&first, "email=ann%40example.org&name=Ann&password=mornings+are+for+reading").await;
        assert_eq!(made.status(), 303);
        service.stop().await;
        let service = daybreak.serve(&["--role", "web"]).await;
        let said = service.says("serves its pages").await;
        assert!(!said.contains("/welcome/"), "{said}");
        assert_eq!(client().get(&first).send().await.unwrap().status(), 410);
        service.stop().await;
        let users = daybreak.json(&["user", "list"]).await;
        assert_eq!(
            (users[0]["email"].as_str(), users[0]["role"].as_str()),
            (Some("ann@example.org"), Some("admin"))
        );
    })
    .await;
}

#[tokio::test]
async fn an_account_is_added_listed_and_disabled_from_the_command_line() {
    everywhere(async |daybreak: &mut Daybreak| {
        let says = daybreak
            .fails(&["user", "add", "ann@example.org", "--role", "editor", "--newsletter", "no"])
            .await;
        assert!(says.contains("no"), "{says}");
        daybreak.newsletter(&[]).await;
        daybreak.run(&["user", "add", "Ann@example.org", "--role", "admin", "--name", "Ann"]).await;
        let words = ["user", "add", "ben@example.org", "--role", "editor", "--newsletter", "brief"];
        let printed = daybreak.run(&words).await;
        let link = link(&printed, "/welcome/");
        assert!(daybreak.fails(&words).await.contains("has an account already"));
        let users = daybreak.json(&["user", "list"]).await;
        assert_eq!(users[1]["newsletters"][0]["newsletter"], "brief");
        assert_eq!(users[1]["role"], serde_json::Value::Null);
        let listed = daybreak.run(&["user", "list"]).await;
        assert!(listed.contains("editor of brief") && listed.contains("no password yet"), "{listed}");

        // A new link takes the place of the first.
        let again = daybreak.json(&["user", "password", "ben@example.org"]).await;
        assert!(again["link"].as_str().is_some_and(|new| new.contains("/welcome/") && new != link));
        let words = ["user", "password", "ben@example.org", "--stdin"];
        assert!(!run_with(daybreak, &words, "short\n"));
        assert!(run_with(daybreak, &words, "evenings are for reading\n"));
        assert_eq!(daybreak.json(&["user", "list"]).await[1]["password"], true);
        // An admin who lost the phone, with nobody to ask.
        let secret = "UPDATE users SET totp_secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ' WHERE email = 'ben@example.org'";
        daybreak.execute(secret).await;
        daybreak.execute("INSERT INTO user_recovery_codes SELECT 'x', id FROM users WHERE email = 'ben@example.org'").await;
        assert_eq!(daybreak.json(&["user", "list"]).await[1]["second_factor"], true);
        daybreak.run(&["user", "password", "ben@example.org", "--remove-second-factor"]).await;
        assert_eq!(daybreak.json(&["user", "list"]).await[1]["second_factor"], false);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM user_recovery_codes").await, 0);
        daybreak.run(&["user", "disable", "ben@example.org"]).await;
        assert_eq!(daybreak.json(&["user", "list"]).await[1]["disabled"], true);
        assert!(daybreak.fails(&["user", "disable", "ann@example.org"]).await.contains("is the only admin"));
        assert!(daybreak.fails(&["user", "password", "eve@example.org"]).await.contains("has no account"));
        daybreak.run(&["user", "enable", "ben@example.org"]).await;
        daybreak.run(&["user", "remove", "ben@example.org"]).await;
        assert_eq!(daybreak.json(&["user", "list"]).await.as_array().map(Vec::len), Some(1));
        assert!(daybreak.fails(&["user", "remove", "ann@example.org"]).await.contains("is the only admin"));
        let done = daybreak.texts("SELECT action FROM audit WHERE who = 'command line' ORDER BY id").await;
        let expected = [
            "newsletter.add",
            "user.add",
            "user.add",
            "user.invite",
            "user.password",
            "user.remove_second_factor",
            "user.invite",
            "user.disable",
            "user.enable",
            "user.remove",
        ];
        assert_eq!(done, expected);
    })
    .await;
}

#[tokio::test]
async fn an_invitation_and_a_link_to_sign_in_arrive_by_mail_and_work() {
    everywhere(async |daybreak: &mut Daybreak| {
        daybreak.on_loopback();
        let sink = daybreak.sink().await;
        daybreak.newsletter(&[]).await;
        let words = ["user", "add", "ann@example.org", "--role", "editor", "--mail"];
        let printed = daybreak.run(&words).await;
        let service = daybreak.serve(&[]).await;
        let pages = service.pages().await;
        let mail = async |count: usize| {
            let all = crate::daybreak::arrived(&sink, "the mail", |all| all.len() == count).await;
            assert_eq!(all[count - 1].to, ["ann@example.org"]);
            Mail::parse(&all[count - 1].message)
        };
        let invitation = mail(1).await;
        let welcome = link(&printed, "/welcome/");
        assert_eq!(invitation.link("/welcome/"), welcome);
        assert_eq!(invitation.html_link("/welcome/"), welcome);
        assert_eq!(post(&welcome, "name=Ann&password=mornings+are+for+reading").await.status(), 303);

        assert_eq!(post(&format!("{pages}/sign-in/mail"), "email=ann%40example.org").await.status(), 200);
        let sign_in = mail(2).await;
        assert!(sign_in.subject.starts_with("Sign in to 127."), "{}", sign_in.subject);
        let link = sign_in.link("/sign-in/link/");
        assert_eq!(client().get(&link).send().await.unwrap().status(), 200);
        let entered = post(&link, "").await;
        assert_eq!(entered.headers()["location"], "/desk");
        assert!(entered.headers()["set-cookie"].to_str().unwrap().contains("HttpOnly"));
        service.stop().await;
    })
    .await;
}
