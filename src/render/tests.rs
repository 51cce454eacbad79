//! Whole mails: as the embedded templates make them, and as templates of one's own can break them.

mod overrides;
mod same_mail;

use super::sample::DigestSample;
use super::*;
use crate::domain::mail::Hole;
use crate::domain::topic::TopicSet;

fn renderer() -> Renderer {
    Renderer::new(None).unwrap_or_else(|error| panic!("{error}"))
}

fn read(sample: &DigestSample) -> RenderedMail {
    renderer().digest_for(&sample.input(), &sample::reader()).unwrap()
}

fn plain(holed: &Holed) -> String {
    assert!(!holed.has_holes(), "{holed:?}");
    holed.fill(&HoleValues::default(), str::to_owned)
}

fn cohort(sample: &DigestSample) -> RenderedMail {
    match renderer().digest(&sample.input()).unwrap() {
        Digest::Cohort(mail) => mail,
        Digest::PerReader => panic!("the embedded templates must serve a whole cohort"),
    }
}

#[test]
fn the_embedded_templates_are_without_fault() {
    assert_eq!(renderer().check(), []);
}

#[test]
fn the_default_mails_can_be_read_in_both_schemes_whatever_the_newsletters_colour_is() {
    assert_eq!(renderer().faint(), Vec::<String>::new());
    const PARTS: [&str; 4] = ["00", "66", "B4", "FF"];
    let mut colours = ["#1B1D24", "#FBFAF7", "#F3F1EA", "#777777", "#767676"].map(str::to_owned).to_vec();
    for red in PARTS {
        for green in PARTS {
            colours.extend(PARTS.map(|blue| format!("#{red}{green}{blue}")));
        }
    }
    for colour in colours {
        let mut sample = DigestSample::new("en", 4, true);
        sample.newsletter.colour = colour.clone();
        let Some(Notice::Confirm(mut confirm)) = sample::notice("confirm") else { panic!("it is a sample") };
        confirm.newsletters.iter_mut().for_each(|newsletter| newsletter.colour = colour.clone());
        // The button.
        let notice = renderer().notice(&Notice::Confirm(confirm)).unwrap();
        for html in [plain(&read(&sample).html), plain(&notice.html)] {
            assert_eq!(faint(&html), [], "{colour}");
        }
    }
}

#[test]
fn a_pale_text_of_the_digest_is_told_in_both_schemes() {
    let pale = |from: &str, to: &str| {
        let html = plain(&read(&DigestSample::new("en", 4, true)).html);
        let pale = html.replace(from, to);
        assert!(pale != html, "{html}");
        faint(&pale).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let light = pale("color:#5E5A52", "color:#B0B0B0");
    assert!(light.len() == 1 && light[0].starts_with("#B0B0B0 on #FFFFFF (2.16 to 1"), "{light:?}");
    let dark = pale("class=\"muted\"", "class=\"pale\"");
    assert!(dark.len() == 1 && dark[0].starts_with("#5E5A52 on #1B1D24, in dark mode"), "{dark:?}");
}

#[test]
fn the_default_digest_looks_as_it_did() {
    let mail = read(&DigestSample::new("en", 3, true));
    insta::assert_snapshot!("digest_text", plain(&mail.text));
    // One tag a line, so that a change shows where it is.
    insta::assert_snapshot!("digest_html", plain(&mail.html).replace("><", ">\n<"));
}

#[test]
fn an_introduction_has_links_and_lists_and_one_from_before_stands_as_it_did() {
    let mut sample = DigestSample::new("en", 3, true);
    sample.content.introduction =
        "It *rains*:\nsee [sic](https://x.example/a).\n\n3. all\n4. **day**".to_owned();
    let mail = read(&sample);
    let (html, text) = (plain(&mail.html), plain(&mail.text));
    let colour = colour::readable(&sample.newsletter.colour).0;
    let link =
        format!("<a class=\"accent\" href=\"https://x.example/a\" style=\"color:{colour}\">sic</a>.</p>");
    for part in ["It <em>rains</em>: see ", &link, "start=\"3\"", ">all</li>", "><strong>day</strong></li>"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(text.contains("\n\nIt rains: see sic <https://x.example/a>.\n\n3. all\n4. day\n\n---"), "{text}");

    sample.content.has_notation = false;
    let mail = read(&sample);
    let (html, text) = (plain(&mail.html), plain(&mail.text));
    for part in [
        "style=\"margin-top:16px\">It *rains*: see [sic](https://x.example/a).</p>",
        ">3. all 4. **day**</p>",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(
        text.contains("It *rains*: see [sic](https://x.example/a).\n\n3. all 4. **day**\n\n---"),
        "{text}"
    );
    let before = r#"{"articles":[],"topics":[],"subject":"","preheader":"","introduction":"*x*"}"#;
    let content: IssueContent = serde_json::from_str(before).unwrap();
    assert_eq!(content.introduction()[0].lines[0].text, "*x*");
}

#[test]
fn a_cohorts_digest_has_holes_where_readers_differ() {
    let mail = cohort(&DigestSample::new("en", 3, true));
    for part in [&mail.html, &mail.text] {
        for hole in [Hole::Email, Hole::UnsubscribeUrl, Hole::ViewUrl, Hole::PreferencesUrl] {
            assert!(part.0.contains(&Piece::Hole(hole)), "{hole:?}");
        }
    }
    assert!(!mail.subject.has_holes());
    assert_eq!(mail.language, "en");
}

#[test]
fn the_subject_names_the_lead_and_counts_the_others() {
    let subject =
        |language: &str, articles: usize| plain(&read(&DigestSample::new(language, articles, true)).subject);
    let lead = "The night train from Paris to Berlin is back, and it is full until March";
    assert_eq!(subject("en", 7), format!("{lead} and 6 more"));
    assert_eq!(subject("fr", 7), format!("{lead} et 6 de plus"));
    assert_eq!(subject("en", 1), lead);
}

#[test]
fn the_preheader_is_the_next_headlines_and_never_the_leftovers() {
    let html = plain(&read(&DigestSample::new("en", 3, true)).html);
    let preheader = html.split("display:none").nth(1).unwrap();
    assert!(
        preheader
            .contains(">Rewetting the fens: what twenty winters of higher water have changed · A library")
    );
    let html = plain(&read(&DigestSample::new("en", 1, true)).html);
    assert!(html.split("display:none").nth(1).unwrap().contains(">Eleven years after"));
}

#[test]
fn the_issues_own_lines_come_before_the_newsletters() {
    let mut sample = DigestSample::new("en", 3, true);
    let subject = |sample: &DigestSample| plain(&read(sample).subject);
    sample.newsletter.rules.subject = "{{newsletter.name}} on {{issue.date}}".to_owned();
    assert_eq!(subject(&sample), "Morning Brief on Sunday, 22 November 2026");
    sample.issue.subject = Some("{{count}} stories".to_owned());
    assert_eq!(subject(&sample), "3 stories");
    sample.content.subject = "For {{subscriber.first_name}}\r\nBcc: x@y.example".to_owned();
    assert_eq!(subject(&sample), "For Ada Bcc: x@y.example");
    assert!(cohort(&sample).subject.0.contains(&Piece::Hole(Hole::FirstName)));
}

#[test]
fn a_line_at_fault_is_an_error_that_names_it() {
    let mut sample = DigestSample::new("en", 3, true);
    for (line, word) in
        [("{{lead.titel}}", "lead.title"), ("{{#if count}}x", "{{/if}}"), ("{{", "Handlebars")]
    {
        sample.content.subject = line.to_owned();
        let error = renderer().digest(&sample.input()).unwrap_err().to_string();
        assert!(error.contains("the subject line") && error.contains(word), "{line}: {error}");
        assert!(renderer().check_subject(line).is_err());
    }
    assert_eq!(renderer().check_subject(DEFAULT_SUBJECT), Ok(()));
    assert_eq!(renderer().check_preheader(DEFAULT_PREHEADER), Ok(()));
}

#[test]
fn a_line_that_cannot_be_printed_is_refused_before_it_is_kept() {
    for line in [
        "{{shorten lead.title -1}}",
        "{{wrap lead.title 99999999999999999999}}",
        "{{lookup lead}}",
        "{{../x}}",
        "{{shorten lead.title lead.reading_minutes}}",
        "News {{#with lead.image}}{{this}}{{/with}}",
        "{{articles.[3].title}}",
    ] {
        assert!(renderer().check_subject(line).is_err(), "{line}");
        let problem = renderer().check_preheader(line).unwrap_err();
        assert!(problem.to_string().starts_with("the preheader line"), "{problem}");
    }
}

#[test]
fn a_subject_line_that_some_readers_would_see_empty_is_refused() {
    for line in
        ["{{#if lead.image}}x{{/if}}", "{{subscriber.name}}", "{{subscriber.first_name}} ", "{{!-- x --}}"]
    {
        let problem = renderer().check_subject(line).unwrap_err().to_string();
        assert!(problem.contains("it is empty where"), "{line}: {problem}");
        assert_eq!(renderer().check_preheader(line), Ok(()), "a preheader may be empty");
    }
    assert_eq!(renderer().check_subject("{{#if lead.image}}x{{else}}y{{/if}}"), Ok(()));
    assert_eq!(renderer().check_subject("For {{subscriber.name}}"), Ok(()));
    assert_eq!(renderer().check_subject(""), Ok(()), "without a line the default stands");
}

#[test]
fn no_reader_gets_an_empty_subject() {
    let mut sample = DigestSample::new("en", 3, false);
    let subject = |sample: &DigestSample, name: &str| {
        let values = HoleValues { name: name.to_owned(), ..sample::reader() };
        let mail = renderer().digest_for(&sample.input(), &values).unwrap();
        assert!(plain(&mail.html).contains(&format!("<title>{}</title>", plain(&mail.subject))));
        plain(&mail.subject)
    };
    let default = subject(&sample, "");
    assert!(default.ends_with("and 2 more"), "{default}");
    sample.content.subject = "{{#if lead.image}}x{{/if}}".to_owned();
    assert_eq!(plain(&cohort(&sample).subject), default);
    for line in ["{{subscriber.name}}", "{{#if subscriber.name}}{{subscriber.name}}{{/if}}"] {
        sample.content.subject = line.to_owned();
        assert_eq!(renderer().digest(&sample.input()), Ok(Digest::PerReader));
        assert_eq!(subject(&sample, "Ann"), "Ann", "{line}");
        assert_eq!(subject(&sample, " "), default, "{line}");
    }
}

#[test]
fn readers_get_the_articles_of_their_topics_under_their_topic() {
    let mut sample = DigestSample::new("en", 5, true);
    let topics = sample.content.topics.clone();
    // Two topics; the reader chose the second.
    sample.content.articles[2].topics = TopicSet::EMPTY.with(&topics[0]).with(&topics[1]);
    sample.audience.topics = TopicSet::EMPTY.with(&topics[1]);
    let text = plain(&read(&sample).text);
    assert!(text.contains("* Nature *\n\nA library that lends silence"), "{text}");
    assert!(!text.contains("* World *") && !text.contains("* Culture *"));
    assert!(!text.contains("Why the swifts"));
    assert!(text.contains("Rewetting the fens"), "an article without a topic is for everybody");
}

#[test]
fn readers_get_their_language_where_the_newsletter_says_so() {
    let mut sample = DigestSample::new("fr", 3, true);
    sample.newsletter.rules.match_language = true;
    sample.content.articles[1].language = Some("fr-CA".to_owned());
    sample.content.articles[2].language = None;
    let text = plain(&read(&sample).text);
    assert!(
        !text.contains("full until March") && text.contains("Rewetting") && text.contains("library"),
        "{text}"
    );
    sample.content.articles.truncate(1);
    assert_eq!(renderer().digest(&sample.input()), Err(RenderError::NoArticles));
}

#[test]
fn hostile_content_is_printed_and_does_nothing() {
    let mut sample = DigestSample::new("en", 4, true);
    let marks: String = Hole::ALL.iter().map(|hole| holes::mark(*hole)).collect();
    let nasty = format!(
        "<script>alert(1)</script></mj-text><mj-raw><!--[if x]y {{{{subscriber.email}}}} {{{{{{unsubscribe_url}}}}}} \
         ]]> &amp; \"' \\ {marks}\u{0}\u{FFFE}\u{301}"
    );
    for article in &mut sample.content.articles {
        article.headline = nasty.clone();
        article.summary = nasty.clone();
        article.source = nasty.clone();
        article.image_alt = Some(nasty.clone());
        article.author = Some(nasty.clone());
        article.language = Some(nasty.clone());
        article.url = Some("javascript:alert(1)".to_owned());
        article.image_url = Some("https://x.example/\"onerror=alert(1)//<b>".to_owned());
    }
    sample.newsletter.name = nasty.clone();
    sample.newsletter.colour = "red;}</style>".to_owned();
    sample.newsletter.postal_address = nasty.clone();
    sample.content.introduction = nasty.clone();
    sample.content.topics[0].name = nasty;
    let mail = cohort(&sample);
    let holes = |holed: &Holed| holed.0.iter().filter(|piece| matches!(piece, Piece::Hole(_))).count();
    assert_eq!(holes(&mail.html), 4, "{:?}", mail.html);
    assert_eq!(holes(&mail.text), 4);
    let html = plain(&read(&sample).html);
    for forbidden in ["<script", "javascript:", "\"onerror", "<!--[if x]", "<mj-", "</style>}", "\\u{"] {
        assert!(!html.contains(forbidden), "{forbidden} in {html}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(html.contains("{{subscriber.email}} {{{unsubscribe_url}}}"));
}

#[test]
fn an_article_without_link_picture_or_summary_is_still_an_article() {
    let mut sample = DigestSample::new("en", 3, false);
    for article in &mut sample.content.articles {
        (article.url, article.summary) = (None, String::new());
    }
    let mail = read(&sample);
    let html = plain(&mail.html);
    assert_eq!(html.matches("<h3").count(), 2);
    assert!(
        !html.contains("<img")
            && !html.contains("href=\"\"")
            && !html.contains("<p class=\"ink\" style=\"margin-top:8px\">")
    );
    assert!(plain(&mail.text).contains("A library that lends silence\n"));
}

#[test]
fn an_arabic_digest_reads_from_the_right_and_an_english_story_in_it_from_the_left() {
    let html = plain(&read(&DigestSample::new("ar", 3, true)).html);
    assert!(html.starts_with("<!doctype html><html lang=\"ar\" dir=\"rtl\""), "{}", &html[..200]);
    // The editor writes in the newsletter's language, whichever way the reader's goes.
    assert!(html.contains("<p class=\"ink\" dir=\"auto\" style=\"margin-top:16px\">Good morning."), "{html}");
    assert!(html.contains("dir=\"ltr\" style=\"text-align:left\" lang=\"en\""));
    assert!(html.contains("<div dir=\"ltr\" lang=\"en\" style=\"text-align:left\">"), "{html}");
    assert!(html.contains("text-align:right"));
    assert!(html.contains("الأحد، 22 نوفمبر 2026 · العدد 128"));
}

#[test]
fn a_layout_table_is_marked_as_one_and_a_picture_has_an_alternative() {
    let html = plain(&read(&DigestSample::new("en", 7, true)).html);
    for table in html.split("<table").skip(1) {
        assert!(table.split('>').next().unwrap().contains("role=\"presentation\""), "{}", &table[..80]);
    }
    for picture in html.split("<img").skip(1) {
        assert!(picture.split('>').next().unwrap().contains("alt=\""), "{}", &picture[..80]);
    }
    assert_eq!(html.matches("<h1").count(), 1);
    assert!(html.contains("<meta name=\"color-scheme\" content=\"light dark\""));
    assert!(!html.contains("fonts.googleapis"), "nothing is fetched but pictures");
}

#[test]
fn headings_follow_one_another_without_a_gap() {
    for (articles, is_full) in [(7, true), (7, false), (1, true)] {
        let html = plain(&read(&DigestSample::new("en", articles, is_full)).html);
        let starts =
            html.match_indices("<h").filter_map(|(at, _)| html[at + 2..].chars().next()?.to_digit(10));
        let levels: Vec<u32> = starts.collect();
        assert_eq!(levels.first(), Some(&1));
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
        assert_eq!(levels.iter().filter(|level| **level == 3).count(), articles - 1, "{levels:?}");
    }
}

#[test]
fn a_story_in_another_language_says_so_for_its_picture_too() {
    let mut sample = DigestSample::new("en", 2, true);
    sample.content.articles.iter_mut().for_each(|article| article.language = Some("he".to_owned()));
    let html = plain(&read(&sample).html);
    let story = html.split("<table").find(|table| table.contains("<h3")).unwrap();
    let tag = story.split('>').next().unwrap();
    assert!(tag.contains("lang=\"he\"") && tag.contains("dir=\"rtl\""), "{tag}");
    assert!(story.contains("<img"));
}

#[test]
fn text_lines_have_at_most_72_columns_but_for_links() {
    let text = plain(&read(&DigestSample::new("en", 7, true)).text);
    for line in text.lines().filter(|line| !line.contains("https://")) {
        assert!(line.chars().count() <= 72, "{line}");
    }
    assert!(text.contains("\nhttps://planet.example/1?ref=a&b=c\n"), "links are not escaped, and alone");
}

#[test]
fn a_very_long_issue_loses_summaries_first_and_then_articles() {
    let mut sample = DigestSample::new("en", 90, true);
    let mail = read(&sample);
    let html = plain(&mail.html);
    assert!(html.len() <= MAX_HTML, "{}", html.len());
    assert_eq!(html.matches("<h3").count(), 89, "every headline is there");
    assert!(html.contains("Cranes came first"), "and the first summaries are");
    assert!(!html.contains("Read the rest of this issue online"));

    sample = DigestSample::new("en", 400, true);
    let mail = read(&sample);
    let html = plain(&mail.html);
    assert!(html.len() <= MAX_HTML && html.len() > MAX_HTML * 9 / 10, "{}", html.len());
    assert!(html.contains("Read the rest of this issue online"));
    assert!(
        plain(&mail.text)
            .contains("Read the rest of this issue online:\nhttps://news.example/morning-brief/128")
    );
    let shown = html.matches("<h3").count();
    assert!(
        shown < 399 && plain(&mail.subject).ends_with(&format!("and {shown} more")),
        "the subject counts these"
    );
    assert!(html.contains(&format!("<title>{}</title>", plain(&mail.subject))));
}

#[test]
fn one_enormous_article_is_sent_all_the_same() {
    let mut sample = DigestSample::new("en", 2, true);
    sample.content.articles[0].headline = "word ".repeat(40_000);
    let html = plain(&read(&sample).html);
    assert!(html.matches("<h2").count() == 1 && !html.contains("<h3"));
}

#[test]
fn notices_are_in_the_readers_language() {
    let subject = |mail: &str, language: &str| {
        plain(&renderer().notice(&sample::bare_notice(mail, language).unwrap()).unwrap().subject)
    };
    assert_eq!(subject("confirm", "de"), "Bitte bestätigen: Morning Brief");
    assert_eq!(subject("welcome", "es-MX"), "Está suscrito a Morning Brief");
    assert_eq!(subject("goodbye", "tlh"), "You have left Morning Brief");
    assert_eq!(
        subject("failed", "de"),
        "Not sent: Morning Brief, Sunday, 22 November 2026, 07:00 (Europe/Paris)"
    );
}

#[test]
fn a_time_in_a_notice_names_its_zone_and_a_colon_stands_as_the_language_sets_it() {
    let text = |mail: &str, language: &str| {
        let mut notice = sample::notice(mail).unwrap();
        match &mut notice {
            Notice::Welcome(welcome) => welcome.language = language.to_owned(),
            Notice::Confirm(confirm) => confirm.language = language.to_owned(),
            _ => {}
        }
        plain(&renderer().notice(&notice).unwrap().text)
    };
    let one_line = |text: &str| text.split('\n').collect::<Vec<_>>().join(" ");
    let welcome = text("welcome", "en");
    assert!(one_line(&welcome).contains("07:00 (Europe/Paris)."), "{welcome}");
    let confirm = text("confirm", "fr");
    assert!(one_line(&confirm).contains("07:00 (Europe/Paris)."), "{confirm}");
    assert!(confirm.contains("Oui, je veux la recevoir\u{a0}:\n"), "{confirm}");
    assert!(confirm.contains("adresse\u{a0}:\n"), "{confirm}");
    assert!(text("confirm", "de").contains(":\n") && !text("confirm", "de").contains('\u{a0}'));
}

#[test]
fn a_postal_address_keeps_its_lines() {
    for mail in ["digest", "confirm", "welcome", "goodbye"] {
        let mail = renderer().render_sample(mail, None).unwrap();
        assert!(
            plain(&mail.text)
                .ends_with("\nDaybreak Press\n1 Quay Street\nHarwich CO12 3HH\nUnited Kingdom\n")
        );
        let html = plain(&mail.html);
        assert!(
            html.contains(">Daybreak Press<br />1 Quay Street<br />Harwich CO12 3HH<br />United Kingdom</p>")
        );
    }
}

#[test]
fn one_confirmation_serves_several_newsletters() {
    let mail = renderer().render_sample("confirm", None).unwrap();
    assert_eq!(plain(&mail.subject), "Please confirm: Morning Brief, The Week in Trains");
    let text = plain(&mail.text);
    assert!(text.contains("- Morning Brief\n") && text.contains("- The Week in Trains\n"), "{text}");
    assert_eq!(text.matches("https://news.example/confirm/7Qk2mW").count(), 1);
}

#[test]
fn an_unknown_sample_is_an_error_that_lists_the_mails() {
    let error = renderer().render_sample("digset", None).unwrap_err().to_string();
    assert!(error.contains("digest, confirm"), "{error}");
}

#[test]
fn every_name_is_in_the_documentation() {
    fn names(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(members) => members.iter().for_each(|(name, value)| {
                found.push(name.clone());
                names(value, found);
            }),
            serde_json::Value::Array(members) => members.iter().for_each(|member| names(member, found)),
            _ => {}
        }
    }
    let documentation = include_str!("../../docs/templates.md");
    for mail in MAILS {
        let mut found = Vec::new();
        names(&sample::full_context(mail), &mut found);
        for name in found {
            let is_there = [format!("`{name}`"), format!(".{name}`"), format!("`{name}.")];
            assert!(
                is_there.iter().any(|form| documentation.contains(form)),
                "{mail}: {name} is not documented"
            );
        }
    }
    assert!(documentation.contains(DEFAULT_SUBJECT) && documentation.contains(DEFAULT_PREHEADER));
    for helper in helpers::NAMES {
        assert!(documentation.contains(&format!("`{{{{{helper} ")), "{helper}");
    }
}
