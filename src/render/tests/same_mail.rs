//! The fast way (one mail with holes for a cohort) must never be a different mail than the slow way (rendered in
//! full for one reader).

use proptest::prelude::*;

use super::*;
use crate::render::sources;

/// What templates that only print may do, and one part that decides by a reader.
fn part(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        "[a-zA-Z .,é–]{0,12}",
        Just("{{subscriber.name}}".to_owned()),
        Just("{{ subscriber.first_name }}".to_owned()),
        Just("{{subscriber.email}}".to_owned()),
        Just("{{lead.title}}".to_owned()),
        Just("{{@root.subscriber.name}}".to_owned()),
        Just("{{issue.subject}}{{issue.preheader}}".to_owned()),
        Just("<a href=\"{{view_url}}\" title='{{subscriber.name}}'>x</a>".to_owned()),
        Just("<img src=\"https://x.example/\" alt=\"{{subscriber.name}} \u{301}\" />".to_owned()),
        Just("{{> whom}}".to_owned()),
        Just("{{!-- {{subscriber.name}} --}}".to_owned()),
        Just("\\{{subscriber.name}}".to_owned()),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = || proptest::collection::vec(part(depth - 1), 0..3).prop_map(|parts| parts.concat());
    prop_oneof![
        4 => leaf,
        1 => inner().prop_map(|inner| format!("{{{{#if lead.url}}}}{inner}{{{{else}}}}no{{{{/if}}}}")),
        1 => inner().prop_map(|inner| format!("<b>{inner}</b>")),
        1 => Just("{{#each articles}}{{title}} {{../subscriber.name}} {{@root.view_url}}{{/each}}".to_owned()),
        1 => Just("{{#each articles as |a|}}{{a.title}}{{/each}}".to_owned()),
    ]
    .boxed()
}

/// Parts that do more with a reader than print.
fn deciding() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "{{#if subscriber.name}}Dear {{subscriber.name}}{{else}}Hello{{/if}}",
        "{{#unless subscriber.email}}x{{/unless}}",
        "{{#with subscriber}}{{name}}{{/with}}",
        "{{#with subscriber.name}}{{this}}{{else}}-{{/with}}",
        "{{#each subscriber}}{{this}} {{/each}}",
        "{{shorten subscriber.name 3}}",
        "{{#if (eq subscriber.name \"Ann\")}}you{{/if}}",
        "{{lookup subscriber \"name\"}}",
        "{{lookup (lookup this \"subscriber\") \"name\"}}",
        "{{> whose subscriber}}",
        "{{> whose name=subscriber.name}}",
        "{{#each articles}}{{#if ../subscriber.name}}x{{/if}}{{/each}}",
        "{{#if count}}{{#if @root.subscriber.name}}x{{/if}}{{/if}}",
        "{{#if @root}}x{{/if}}",
        "{{len subscriber.name}}",
        "{{#*inline \"deep\"}}{{#if subscriber.name}}x{{/if}}{{/inline}}{{> deep}}",
        "{{#each articles as |a|}}{{#with @root.subscriber as |s|}}{{s.name}}{{/with}}{{/each}}",
    ])
    .prop_map(str::to_owned)
}

fn reader() -> impl Strategy<Value = HoleValues> {
    let name = prop_oneof![
        Just(String::new()),
        Just("Ann".to_owned()),
        Just("{{lead.title}} }} {{{".to_owned()),
        Just("</mj-text> <b>&amp;\"'\\".to_owned()),
        "[\\PC]{0,20}",
    ];
    (name, "[a-z'+<>&]{1,8}@[a-z]{1,8}\\.example", "[a-zA-Z0-9_&=]{0,20}").prop_map(|(name, email, token)| {
        HoleValues {
            name: holes::clean(&name),
            email,
            unsubscribe_url: format!("https://x.example/leave?{token}"),
            view_url: format!("https://x.example/view?{token}"),
            preferences_url: format!("https://x.example/change?{token}"),
        }
    })
}

/// A renderer whose digest is `body` in all three parts.
fn renderer_of(body: &str, own_html: bool) -> Renderer {
    let mut sources = sources::load(None).unwrap();
    let mut put = |file: &str, text: String| {
        sources.insert(file.to_owned(), text);
    };
    for ending in ["mjml", "html", "txt"] {
        put(
            &format!("partials/whom.{ending}.hbs"),
            "to {{subscriber.name}} ({{@root.subscriber.email}})".to_owned(),
        );
        put(&format!("partials/whose.{ending}.hbs"), "{{name}}".to_owned());
    }
    // A subject that may be empty is decided for each reader.
    put("digest/subject.txt.hbs", format!("s {body}"));
    put("digest/body.txt.hbs", body.to_owned());
    if own_html {
        put("digest/body.html.hbs", format!("<html><body><p>{body}</p></body></html>"));
        sources.remove("digest/body.mjml.hbs");
    } else {
        let mjml = format!(
            "<mjml><mj-head><mj-title>{{{{subscriber.name}}}}</mj-title></mj-head><mj-body><mj-section><mj-column>\
             <mj-text>{body}</mj-text></mj-column></mj-section></mj-body></mjml>"
        );
        sources.insert("digest/body.mjml.hbs".to_owned(), mjml);
    }
    Renderer::of(Arc::new(sources), &Texts::new(), None).unwrap_or_else(|error| panic!("{body}\n{error}"))
}

/// HTML as a reader sees it: references resolved, white space folded (a text that is empty for one reader leaves
/// its neighbours' spaces side by side).
fn as_seen(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let (name, tail) = after.split_once(';').unwrap_or((after, ""));
        let code = name.strip_prefix("#x").map(|hex| u32::from_str_radix(hex, 16));
        let code = code.or_else(|| name.strip_prefix('#').map(str::parse)).and_then(Result::ok);
        let character = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "nbsp" => Some('\u{a0}'),
            _ => code.and_then(char::from_u32),
        };
        match character {
            Some(character) => {
                text.push(character);
                rest = tail;
            }
            None => {
                text.push('&');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_same(renderer: &Renderer, sample: &DigestSample, values: &HoleValues) -> Result<(), TestCaseError> {
    let Digest::Cohort(mail) = renderer.digest(&sample.input()).unwrap() else {
        return Err(TestCaseError::fail("a template that only prints is rendered per reader"));
    };
    let fast = fill(&mail, values);
    let slow = renderer.draft(&sample.input()).unwrap().fitting(Some(values)).unwrap();
    let fold = |holed: &Holed| plain(holed).split_whitespace().collect::<Vec<_>>().join(" ");
    prop_assert_eq!(fold(&fast.subject), fold(&slow.subject));
    prop_assert_eq!(fold(&fast.text), fold(&slow.text));
    prop_assert_eq!(as_seen(&plain(&fast.html)), as_seen(&plain(&slow.html)));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn filling_holes_makes_the_mail_that_rendering_in_full_makes(
        parts in proptest::collection::vec(part(2), 0..6),
        line in proptest::collection::vec(part(0), 0..3),
        own_html in any::<bool>(),
        values in reader(),
    ) {
        let renderer = renderer_of(&parts.concat(), own_html);
        let mut sample = DigestSample::new("en", 2, true);
        // A line has no markup and no issue.subject in it.
        let line: String = line.into_iter().filter(|part| !part.contains(['<', '>']) && !part.contains("issue.")).collect();
        sample.content.subject = format!("s {line}");
        sample.content.preheader = format!("p {line}");
        assert_same(&renderer, &sample, &values)?;
    }

    #[test]
    fn a_template_that_decides_by_a_reader_is_rendered_for_each(
        before in part(1), decision in deciding(), after in part(1), own_html in any::<bool>(), values in reader(),
    ) {
        let renderer = renderer_of(&format!("{before}{decision}{after}"), own_html);
        let sample = DigestSample::new("en", 2, true);
        prop_assert_eq!(renderer.digest(&sample.input()), Ok(Digest::PerReader));
        let mail = renderer.digest_for(&sample.input(), &values).unwrap();
        prop_assert!(!mail.html.has_holes() && !mail.text.has_holes() && !mail.subject.has_holes());
    }
}

#[test]
fn a_line_that_decides_by_a_reader_is_rendered_for_each() {
    let mut sample = DigestSample::new("en", 2, true);
    sample.content.subject =
        "{{#if subscriber.name}}{{subscriber.name}}, your{{else}}Your{{/if}} paper".to_owned();
    assert_eq!(renderer().digest(&sample.input()), Ok(Digest::PerReader));
    let subject = |name: &str| {
        let values = HoleValues { name: name.to_owned(), ..HoleValues::default() };
        plain(&renderer().digest_for(&sample.input(), &values).unwrap().subject)
    };
    assert_eq!(subject("Ann"), "Ann, your paper");
    assert_eq!(subject(""), "Your paper");
}

#[test]
fn a_template_that_decides_by_a_line_with_a_reader_in_it_is_rendered_for_each() {
    let renderer = renderer_of("{{#if issue.subject}}x{{/if}}", false);
    let mut sample = DigestSample::new("en", 2, true);
    assert!(matches!(renderer.digest(&sample.input()), Ok(Digest::Cohort(_))));
    sample.content.subject = "For {{subscriber.name}}".to_owned();
    assert_eq!(renderer.digest(&sample.input()), Ok(Digest::PerReader));
}
