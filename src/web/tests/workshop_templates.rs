//! Editors at the mail templates.

use super::*;
use crate::pipeline::templates;
use crate::render::Renderer;

const SUBJECT: &str = "/desk/templates/welcome/subject.txt.hbs";
const BODY: &str = "/desk/templates/welcome/body.txt.hbs";

/// The program of another node, on the same database.
async fn another(house: &House) -> App {
    let mut app = house.app.clone();
    app.renderer = Renderer::new(None).unwrap();
    templates::refresh(&app).await.unwrap();
    app
}

fn subject(app: &App) -> String {
    let mail = app.renderer.render_sample("welcome", None).unwrap();
    mail.subject.fill(&crate::domain::mail::HoleValues::default(), str::to_owned)
}

/// What the page's form has, with this text.
fn opened(page: &Answer) -> String {
    let rest = page.body.split("name=\"opened\" value=\"").nth(1).expect("the form says what was opened");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_saved_template_is_used_by_every_node_and_taken_back_by_version_and_to_the_default() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let built_in = subject(&house.app);
        let page = house.get_as(&ann, SUBJECT).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.body.contains("It is as built in") && opened(&page) == "0");

        let first = "Come in, {{newsletter.name}} waits";
        let fields = [("text", first), ("opened", "0"), ("do", "save")];
        let saved = house.submit_as(&ann, SUBJECT, &fields).await;
        assert_eq!((saved.status.as_u16(), saved.header("location")), (303, SUBJECT));
        assert_eq!(subject(&house.app), "Come in, Morning Brief waits");
        let other = another(&house).await;
        assert_eq!(subject(&other), "Come in, Morning Brief waits");

        // The browser's line ends are not a change.
        let page = house.get_as(&ann, SUBJECT).await;
        assert!(page.body.contains("Changed by ann@example.org") && page.body.contains("in use"));
        let second = "Hello,\r\nhere is {{newsletter.name}}";
        let now = opened(&page);
        house.submit_as(&ann, SUBJECT, &[("text", second), ("opened", &now), ("do", "save")]).await;
        templates::refresh(&other).await.unwrap();
        assert_eq!(subject(&other), "Hello, here is Morning Brief");
        let page = house.get_as(&ann, SUBJECT).await;
        let again = house.submit_as(&ann, SUBJECT, &[("text", second), ("opened", &opened(&page))]).await;
        assert_eq!(again.status, 303, "what is as it was is not saved again");
        assert_eq!(page.body.matches("/versions/").count(), 2);

        // The first version, looked at and taken back.
        let version = page.body.rsplit("/versions/").next().unwrap().split('"').next().unwrap();
        let version = format!("{SUBJECT}/versions/{version}");
        let look = house.get_as(&ann, &version).await;
        assert!(look.body.contains("Come in, {{newsletter.name}} waits"), "{}", look.body);
        let back = house.submit_as(&ann, &version, &[("opened", &opened(&look))]).await;
        assert_eq!(back.status, 303, "{}", back.body);
        assert_eq!(subject(&house.app), "Come in, Morning Brief waits");

        let page = house.get_as(&ann, SUBJECT).await;
        let default =
            house.submit_as(&ann, &format!("{SUBJECT}/default"), &[("opened", &opened(&page))]).await;
        assert_eq!(default.status, 303, "{}", default.body);
        templates::refresh(&other).await.unwrap();
        assert_eq!((subject(&house.app), subject(&other)), (built_in.clone(), built_in));
        let page = house.get_as(&ann, SUBJECT).await;
        assert!(
            page.body.contains("taken back to the default") && page.body.matches("/versions/").count() == 4
        );
        assert_eq!(house.get_as(&ann, &format!("{BODY}/versions/1")).await.status, 404, "of another file");
        let log: Vec<String> = house.logged().await.into_iter().map(|(action, ..)| action).collect();
        assert_eq!(log, ["template.save", "template.save", "template.save", "template.default"]);
        house.close().await;
    }
}

#[tokio::test]
async fn a_broken_template_is_never_saved_and_its_line_is_named() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let before = subject(&house.app);
        let unknown = "Hello\n{{newslettr.name}}";
        for what in ["save", "check"] {
            let fields = [("text", unknown), ("opened", "0"), ("do", what)];
            let answer = house.submit_as(&ann, SUBJECT, &fields).await;
            assert_eq!(answer.status.as_u16(), if what == "save" { 422 } else { 200 });
            assert!(
                answer.body.contains("Line 2, column 1: unknown name “newslettr.name”"),
                "{}",
                answer.body
            );
            assert!(answer.body.contains("<code>{{newslettr.name}}</code>"), "the line itself is shown");
            assert!(answer.body.contains("Hello\n{{newslettr.name}}</textarea>"), "what was typed is kept");
        }
        // What only fails when it is rendered, what lacks the way out, and what would not end.
        let loops = "{{#each articles}}".repeat(5) + &"{{/each}}".repeat(5);
        let digest = "/desk/templates/digest/body.txt.hbs";
        for (file, text, says) in [
            (SUBJECT, "{{#with next_issue}}x{{/with}}", "unknown name"),
            (digest, "no way out", "no link to leave the newsletter"),
            (digest, &loops, "more than 3 loops"),
            ("/desk/templates/partials/postal.txt.hbs", "{{> postal}}", "includes itself"),
            (
                "/desk/templates/digest/body.mjml.hbs",
                "<mjml><mj-body></mjml>{{unsubscribe_url}}",
                "notice bad",
            ),
        ] {
            let answer =
                house.submit_as(&ann, file, &[("text", text), ("opened", "0"), ("do", "save")]).await;
            assert_eq!(answer.status, 422, "{text}");
            assert!(answer.body.contains(says), "{text}: {}", answer.body);
        }
        assert_eq!(house.app.renderer.check(), []);
        assert_eq!((subject(&another(&house).await), house.app.renderer.version()), (before, 0));
        let none = house.submit_as(&ann, "/desk/templates/welcome/other.txt.hbs", &[("text", "x")]).await;
        assert_eq!(none.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn who_saves_second_is_told_and_loses_nothing() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ben = house.sign_in("ben@example.org", Role::Admin).await;
        let theirs = [("text", "By Ben"), ("opened", "0"), ("do", "save")];
        assert_eq!(house.submit_as(&ben, SUBJECT, &theirs).await.status, 303);
        let mine = [("text", "By Ann"), ("opened", "0"), ("do", "save")];
        let told = house.submit_as(&ann, SUBJECT, &mine).await;
        assert_eq!(told.status, 409);
        assert!(told.body.contains("ben@example.org saved this file after you opened it"), "{}", told.body);
        assert!(told.body.contains("By Ann</textarea>"));
        assert_eq!(subject(&house.app), "By Ben");
        // Knowing of it, she may.
        let knowing = [("text", "By Ann"), ("opened", &opened(&told)), ("do", "save")];
        assert_eq!(house.submit_as(&ann, SUBJECT, &knowing).await.status, 303);
        assert_eq!(subject(&house.app), "By Ann");
        house.close().await;
    }
}

#[tokio::test]
async fn a_preview_is_made_of_what_is_typed_and_can_do_nothing() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let html = "/desk/templates/welcome/body.mjml.hbs";
        let hostile = "<mjml><mj-body><mj-raw><script>parent.alert(1)</script></mj-raw><mj-section><mj-column>\
                       <mj-text>Typed for {{newsletter.name}}</mj-text></mj-column></mj-section></mj-body></mjml>";
        let shown =
            house.submit_as(&ann, &format!("{html}/preview"), &[("text", hostile), ("part", "html")]).await;
        assert_eq!(shown.status, 200);
        assert!(shown.body.contains("Typed for brief"), "{}", shown.body);
        let made_up = [("text", hostile), ("part", "html"), ("content", "made-up")];
        let made_up = house.submit_as(&ann, &format!("{html}/preview"), &made_up).await;
        assert!(made_up.body.contains("Typed for Morning Brief"), "{}", made_up.body);
        let policy = shown.header("content-security-policy");
        for part in [
            "sandbox;",
            "default-src 'none'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("script-src") && !policy.contains("allow-"), "{policy}");
        // The page's own frame has the sandbox too, without any leave.
        let page = house.get_as(&ann, html).await;
        assert!(page.body.contains("sandbox=\"\""), "{}", page.body);
        // What is typed cannot leave the textarea.
        let escape = house
            .submit_as(&ann, html, &[("text", "</textarea><script>1</script>{{x}}"), ("do", "check")])
            .await;
        assert!(
            escape.body.contains("&lt;/textarea&gt;&lt;script&gt;") && !escape.body.contains("<script>1")
        );
        // A broken one is told in the frame.
        let broken = house.submit_as(&ann, &format!("{html}/preview"), &[("text", "{{#if x}}")]).await;
        assert!(broken.body.contains("Line 1, column 1"), "{}", broken.body);
        assert!(broken.header("content-security-policy").contains("sandbox;"));
        assert_eq!(house.app.renderer.version(), 0, "nothing is saved by looking");
        house.close().await;
    }
}

#[tokio::test]
async fn a_digest_is_previewed_with_the_newest_issue() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let path = "/desk/templates/digest/subject.txt.hbs/preview";
        let fields = |content| {
            [("text", "On {{newsletter.slug}}: {{lead.title}}"), ("part", "text"), ("content", content)]
        };
        let sample = house.submit_as(&ann, path, &fields("")).await;
        assert!(
            sample.body.contains("On morning-brief: "),
            "made-up content where there is no issue: {}",
            sample.body
        );

        let found = crate::pipeline::articles::by_hand(crate::pipeline::articles::ByHand {
            title: "The harbour is frozen".to_owned(),
            ..Default::default()
        });
        crate::pipeline::articles::add(&house.app, "brief", &found.unwrap(), &[]).await.unwrap();
        crate::pipeline::newsletters::add_schedule(
            &house.app,
            &crate::pipeline::accounts::Actor::command_line(),
            "brief",
            None,
            "7:00",
            None,
            "daily",
        )
        .await
        .unwrap();
        crate::pipeline::compose::compose(&house.app).await.unwrap();
        let real = house.submit_as(&ann, path, &fields("")).await;
        assert!(real.body.contains("On brief: The harbour is frozen"), "{}", real.body);
        let id = house.brief.to_string();
        assert!(house.submit_as(&ann, path, &fields(&id)).await.body.contains("The harbour is frozen"));
        assert!(house.submit_as(&ann, path, &fields("made-up")).await.body.contains("On morning-brief: "));
        house.close().await;
    }
}

#[tokio::test]
async fn templates_are_for_editors_of_every_newsletter() {
    for house in houses().await {
        let vic = house.sign_in("vic@example.org", Role::Viewer).await;
        let ed = house.sign_in_for_brief("ed@example.org", Role::Admin).await;
        for person in [&vic, &ed] {
            for path in ["/desk/templates", SUBJECT] {
                assert_eq!(house.get_as(person, path).await.status, 403, "{path}");
            }
            let fields = [("text", "Mine"), ("opened", "0"), ("do", "save")];
            for path in [SUBJECT.to_owned(), format!("{SUBJECT}/preview"), format!("{SUBJECT}/default")] {
                assert_eq!(house.submit_as(person, &path, &fields).await.status, 403, "{path}");
            }
        }
        let anybody = house.submit(SUBJECT, &[("text", "Mine")]).await;
        assert!(anybody.status == 401 && anybody.body.contains("You are signed out"), "{}", anybody.body);
        assert_eq!(house.app.renderer.version(), 0);
        let log = house.logged().await;
        assert!(
            log.contains(&("template.save".to_owned(), "welcome/subject.txt.hbs".to_owned(), true)),
            "{log:?}"
        );
        house.close().await;
    }
}

impl House {
    /// Signs in somebody who may this for `brief` alone.
    pub(super) async fn sign_in_for_brief(&self, email: &str, role: Role) -> Person {
        let email = EmailAddress::parse(email).unwrap();
        let id = accounts::add(&self.app, &email, "", None).await.unwrap();
        sqlx::query("INSERT INTO user_newsletters (user_id, newsletter_id, role) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(self.brief)
            .bind(role.as_str())
            .execute(&mut *self.app.db.conn().await.unwrap())
            .await
            .unwrap();
        let value = accounts::start_session(&self.app, id, "a test", "192.0.2.1").await.unwrap();
        let (account, _) = accounts::of_cookie(&self.app, &value).await.unwrap().unwrap();
        Person { cookie: format!("daybreak={value}"), token: accounts::form_token(&self.app, &account) }
    }

    /// Everything in the audit log, the oldest first: what was done, to what, and whether it was refused.
    pub(super) async fn logged(&self) -> Vec<(String, String, bool)> {
        use sqlx::Row as _;
        let rows = sqlx::query("SELECT action, what, denied FROM audit ORDER BY id")
            .fetch_all(&mut *self.app.db.conn().await.unwrap())
            .await
            .unwrap();
        let entry =
            |row: &sqlx::any::AnyRow| (row.get("action"), row.get("what"), row.get::<i64, _>("denied") != 0);
        rows.iter().map(entry).collect()
    }
}

#[tokio::test]
async fn mails_about_who_gets_in_are_not_made_with_what_was_saved() {
    for house in houses().await {
        let (editor, admin) = (
            house.sign_in("ed@example.org", Role::Editor).await,
            house.sign_in("ad@example.org", Role::Admin).await,
        );
        let list = house.get_as(&admin, "/desk/templates").await.body;
        for folder in ["sign_in", "invitation", "recovery_code"] {
            assert!(list.contains(&format!("<code>{folder}/body.mjml.hbs</code>")), "{list}");
            let path = format!("/desk/templates/{folder}/body.txt.hbs");
            assert!(!list.contains(&path), "{path}");
            for person in [&editor, &admin] {
                assert_eq!(house.get_as(person, &path).await.status, 404);
                let fields = [("text", "{{url}} https://evil.example"), ("opened", "0"), ("do", "save")];
                assert_eq!(house.submit_as(person, &path, &fields).await.status, 404);
                assert_eq!(house.submit_as(person, &format!("{path}/preview"), &fields).await.status, 404);
            }
        }
        // Pieces are in them, too: an admin's are in other mails only, an editor's in none.
        let piece = "/desk/templates/partials/button.mjml.hbs";
        let page = house.get_as(&editor, piece).await;
        assert!(
            page.body.contains("admins of all newsletters save it")
                && !page.body.contains("Save this template")
        );
        let text =
            format!("{}<p>Evil</p>", house.app.renderer.base_text("partials/button.mjml.hbs").unwrap());
        let fields = [("text", text.as_str()), ("opened", "0"), ("do", "save")];
        assert_eq!(house.submit_as(&editor, piece, &fields).await.status, 403);
        assert_eq!(house.submit_as(&editor, &format!("{piece}/default"), &[]).await.status, 403);
        let checked = [("text", text.as_str()), ("opened", "0"), ("do", "check")];
        assert_eq!(house.submit_as(&editor, piece, &checked).await.status, 200);
        let saved = house.submit_as(&admin, piece, &fields).await;
        assert_eq!(saved.status, 303, "{}", saved.body);

        // What an older version of the program let somebody save.
        let mut tx = house.app.db.begin().await.unwrap();
        let seen = crate::db::templates::counter(&mut tx).await.unwrap();
        let (file, text) = ("sign_in/body.txt.hbs", Some("Evil {{url}}"));
        let at = house.app.clock.now();
        assert!(crate::db::templates::insert(&mut tx, seen, file, text, "ed@example.org", at).await.unwrap());
        tx.commit().await.unwrap();
        templates::refresh(&house.app).await.unwrap();
        let parts = |mail: &str| {
            let mail = house.app.renderer.render_sample(mail, None).unwrap();
            let values = crate::domain::mail::HoleValues::default();
            mail.html.fill(&values, str::to_owned) + &mail.text.fill(&values, str::to_owned)
        };
        assert!(parts("confirm").contains("Evil"));
        for mail in ["sign_in", "invitation", "recovery_code"] {
            assert!(!parts(mail).contains("Evil"), "{mail}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn a_template_with_text_that_is_hard_to_read_is_saved_and_the_editor_is_told() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let path = "/desk/templates/digest/body.mjml.hbs";
        let text = house.app.renderer.base_text("digest/body.mjml.hbs").unwrap();
        let good = house.submit_as(&ann, path, &[("text", text), ("opened", "0"), ("do", "check")]).await;
        assert!(
            good.body.contains("Every mail renders") && !good.body.contains("hard to read"),
            "{}",
            good.body
        );
        let pale = text.replace("color:#5E5A52", "color:#B0B0B0");
        let fields = [("text", pale.as_str()), ("opened", "0"), ("do", "check")];
        let checked = house.submit_as(&ann, path, &fields).await;
        for part in ["Some of the text is hard to read", "digest: #B0B0B0 on #FFFFFF (2.16 to 1, wanted 4.5)"]
        {
            assert!(checked.body.contains(part), "{part}: {}", checked.body);
        }
        assert!(!checked.body.contains("in dark mode"), "{}", checked.body);
        let dark = text.replace("class=\"muted\"", "class=\"pale\"");
        let fields = [("text", dark.as_str()), ("opened", "0"), ("do", "check")];
        let checked = house.submit_as(&ann, path, &fields).await;
        assert!(checked.body.contains("digest: #5E5A52 on #1B1D24, in dark mode"), "{}", checked.body);

        let fields = [("text", pale.as_str()), ("opened", "0"), ("do", "save")];
        let saved = house.submit_as(&ann, path, &fields).await;
        assert_eq!(saved.status, 303, "{}", saved.body);
        let said = saved.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        let said = said.filter_map(|cookie| cookie.split(';').next()).collect::<Vec<_>>().join("; ");
        let looking = Person { cookie: format!("{}; {said}", ann.cookie), token: ann.token.clone() };
        let page = house.get_as(&looking, path).await;
        assert!(page.body.contains("Some of the text is hard to read: digest: #B0B0B0"), "{}", page.body);
        house.close().await;
    }
}

#[tokio::test]
async fn what_templates_can_print_is_read_where_they_are_edited() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        assert!(house.get_as(&ann, SUBJECT).await.body.contains("href=\"/desk/templates/help\""));
        let page = house.get_as(&ann, "/desk/templates/help").await;
        assert_eq!(page.status, 200);
        for part in ["<h2>Subject and preheader</h2>", "<code>{{#if x}}", "<th>name</th>", "tabindex=\"0\""] {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        house.close().await;
    }
}
