//! Templates of one's own: what they can do, and how their faults are named.

use std::fs;

use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (file, text) in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn with(files: &[(&str, &str)]) -> Result<Renderer, TemplateError> {
    Renderer::new(Some(folder(files).path()))
}

fn fault(file: &str, text: &str) -> String {
    match with(&[(file, text)]) {
        Err(error) => error.to_string(),
        Ok(renderer) => renderer.check().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

fn mjml(text: &str) -> String {
    format!(
        "<mjml>\n<mj-body>\n<mj-section>\n<mj-column>\n<mj-text>\n{text}\n{{{{unsubscribe_url}}}}\n</mj-text>\n\
         </mj-column>\n</mj-section>\n</mj-body>\n</mjml>"
    )
}

#[test]
fn a_folder_replaces_single_files() {
    let renderer =
        with(&[("digest/subject.txt.hbs", "Today: {{issue.subject}}"), ("README.md", "not a template")])
            .unwrap();
    let sample = DigestSample::new("en", 1, true);
    let mail = renderer.digest_for(&sample.input(), &sample::reader()).unwrap();
    assert!(plain(&mail.subject).starts_with("Today: The night train"));
    assert!(plain(&mail.html).contains("<h1"), "the body is the embedded one");
}

#[test]
fn a_subject_template_that_prints_nothing_gets_the_default_subject() {
    let sample = DigestSample::new("en", 1, false);
    for text in ["{{#if lead.image}}x{{/if}}", "{{subscriber.name}}"] {
        let renderer = with(&[("digest/subject.txt.hbs", text)]).unwrap();
        let values = HoleValues { name: String::new(), ..sample::reader() };
        let mail = renderer.digest_for(&sample.input(), &values).unwrap();
        assert!(plain(&mail.subject).starts_with("The night train"), "{text}");
    }
}

#[test]
fn an_unknown_name_is_named_with_its_place_and_the_likeliest_one() {
    let error = fault("digest/body.mjml.hbs", &mjml("Dear {{subscribr.name}},"));
    assert!(
        error.contains(
            "digest/body.mjml.hbs line 6, column 6: unknown name “subscribr.name”; did you mean “subscriber.name”? \
             the names are listed under “What templates can print” on the desk, and in docs/templates.md"
        ),
        "{error}"
    );
}

#[test]
fn a_name_is_unknown_wherever_it_stands() {
    for (text, name) in [
        ("{{#if newsleter}}x{{/if}}", "newsleter"),
        ("{{#each articles}}{{tittle}}{{/each}}", "tittle"),
        ("{{#each articles}}{{#if ../cuont}}x{{/if}}{{/each}}", "../cuont"),
        ("{{#each articles as |a|}}{{a.nothing}}{{/each}}", "a.nothing"),
        ("{{#with lead}}{{wrap nothing 72}}{{/with}}", "nothing"),
        ("{{#if (gt cnt 3)}}x{{/if}}", "cnt"),
        ("{{#if count}}x{{else if cuont}}y{{/if}}", "cuont"),
        ("{{lead.title.length}}", "lead.title.length"),
        ("{{@root.nothing}}", "@root.nothing"),
        ("{{words.confirm_ask}}", "words.confirm_ask"),
    ] {
        let error = fault("digest/body.txt.hbs", text);
        assert!(error.contains(&format!("unknown name “{name}”")), "{text}: {error}");
    }
}

#[test]
fn names_that_exist_are_found_through_every_scope() {
    let text = "{{#each sections as |section index|}}{{index}} {{section.name}} {{#each section.articles}}{{this.title}} \
                {{@index}} {{../../count}} {{@root.newsletter.name}} {{#each also}}{{source}}{{/each}}{{/each}}{{/each}} \
                {{articles.[0].title}} {{articles.0.url}} {{len articles}} {{#unless (eq count 1)}}{{shorten lead.title 9}}{{/unless}} \
                {{#*inline \"bit\"}}{{title}} {{extra}}{{/inline}}{{> bit lead extra=count}} {{unsubscribe_url}}";
    assert_eq!(fault("digest/body.txt.hbs", text), "");
}

#[test]
fn a_block_that_is_not_closed_is_named_where_it_opens() {
    let error = fault("welcome/body.txt.hbs", "a\n{{#if words.next_issue}}\nb");
    assert!(error.contains("welcome/body.txt.hbs line 2, column 1: {{#if}} is not closed"), "{error}");
    let error = fault("welcome/body.txt.hbs", "{{#if words.next_issue}}{{/each}}");
    assert!(error.contains("{{#if}} is closed by {{/each}}"), "{error}");
}

#[test]
fn unknown_helpers_and_partials_are_named() {
    let error = fault(
        "digest/body.txt.hbs",
        "{{unsubscribe_url}} {{wrapp lead.title 72}} {{> fot}} {{#articles}}x{{/articles}}",
    );
    assert!(error.contains("no helper “wrapp”; did you mean “wrap”?"), "{error}");
    assert!(error.contains("no partial “fot”"), "{error}");
    assert!(error.contains("no helper “articles”; for a list write {{#each articles}}"), "{error}");
    assert_eq!(fault("partials/loop.txt.hbs", "{{> loop}}"), "", "a partial that nobody uses harms nobody");
    let error = with(&[
        ("partials/loop.txt.hbs", "{{> round}}"),
        ("partials/round.txt.hbs", "{{> loop}}"),
        ("digest/body.txt.hbs", "{{> loop}}"),
    ]);
    assert!(error.unwrap_err().to_string().contains("includes itself"));
}

#[test]
fn partials_that_include_the_next_twice_are_refused_at_once() {
    let partials: Vec<(String, String)> = (0..23)
        .map(|index| {
            (format!("partials/p{index}.txt.hbs"), format!("{{{{> p{0}}}}}{{{{> p{0}}}}}", index + 1))
        })
        .collect();
    let mut files: Vec<(&str, &str)> =
        partials.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    files.extend([("partials/p23.txt.hbs", "x"), ("digest/body.txt.hbs", "{{> p0}}")]);
    let error = with(&files).unwrap_err().to_string();
    assert!(error.contains("more than 10000 partials"), "{error}");
}

#[test]
fn blocks_nested_without_measure_are_refused_and_a_hundred_are_rendered() {
    let nested = |count: usize| {
        format!("{}{{{{unsubscribe_url}}}}{}", "{{#if count}}".repeat(count), "{{/if}}".repeat(count))
    };
    assert_eq!(fault("digest/body.txt.hbs", &nested(100)), "");
    for file in ["digest/body.txt.hbs", "partials/unused.txt.hbs"] {
        let error = fault(file, &nested(9_000));
        assert!(error.starts_with(&format!("{file} line 1, column 1301: more than 100 blocks")), "{error}");
    }
    let line = nested(9_000);
    assert!(renderer().check_subject(&line).unwrap_err().message.contains("more than 100 blocks"));
    let error = with(&[
        ("partials/inner.txt.hbs", &nested(60)),
        ("digest/body.txt.hbs", &nested(60).replace("{{unsubscribe_url}}", "{{> inner}}")),
    ]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("partials/inner.txt.hbs") && error.contains("stand in one another"), "{error}");
}

#[test]
fn a_partial_that_is_known_only_when_rendering_is_refused() {
    let error = fault("digest/body.txt.hbs", "{{unsubscribe_url}}{{> (lookup lead \"title\")}}");
    assert!(error.contains("write the partial's name itself"), "{error}");
}

#[test]
fn markup_that_does_not_parse_is_found_in_the_template() {
    let error = fault("digest/body.mjml.hbs", &mjml("<mj-txt>{{count}}</mj-txt>"));
    assert!(
        error.starts_with("digest/body.mjml.hbs line 6, column 1: “<mj-txt>” is not an MJML element"),
        "{error}"
    );
    let error = fault("digest/body.mjml.hbs", &mjml("<b>{{count}}"));
    assert!(error.contains("digest/body.mjml.hbs") && error.contains("closed"), "{error}");
}

#[test]
fn a_digest_without_a_way_out_is_a_fault() {
    let error = fault("digest/body.txt.hbs", "{{lead.title}}");
    assert!(error.contains("print {{unsubscribe_url}}"), "{error}");
}

#[test]
fn misnamed_files_are_refused_and_not_ignored() {
    for file in ["digest/body.hbs", "digset/body.txt.hbs", "digest/subject.mjml.hbs", "partials/foot.hbs"] {
        let error = fault(file, "x");
        assert!(
            error.contains(file) && error.contains("no mail has a template of this name"),
            "{file}: {error}"
        );
    }
    let folder = folder(&[]);
    fs::create_dir(folder.path().join("digest")).unwrap();
    fs::write(folder.path().join("digest/body.txt.hbs"), b"\xff\xfe").unwrap();
    assert!(Renderer::new(Some(folder.path())).unwrap_err().to_string().contains("UTF-8"));
    assert!(
        Renderer::new(Some(&folder.path().join("nowhere")))
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
}

#[test]
fn own_html_takes_the_place_of_mjml() {
    let html = "<html><head><style>p { color: #123456 }</style></head><body>{{> greeting}}{{#each articles}}<p>{{title}}</p>\
                {{/each}}<a href=\"{{unsubscribe_url}}\">{{words.leave}}</a></body></html>";
    let files =
        [("digest/body.html.hbs", html), ("partials/greeting.html.hbs", "<p>Dear {{subscriber.name}}</p>")];
    let renderer = with(&files).unwrap();
    assert_eq!(renderer.check(), []);
    let sample = DigestSample::new("en", 2, true);
    assert!(matches!(renderer.digest(&sample.input()), Ok(Digest::Cohort(_))));
    let html = plain(&renderer.digest_for(&sample.input(), &sample::reader()).unwrap().html);
    assert!(html.contains("<p style=\"color: #123456;\">Dear Ada Lovelace</p>"), "{html}");
    assert!(html.contains("href=\"https://news.example/leave/7Qk2mW\""));

    let both = with(&[files[0], files[1], ("digest/body.mjml.hbs", "<mjml></mjml>")]);
    assert!(both.unwrap_err().to_string().contains("keep one of the two"));
}

#[test]
fn unescaped_text_is_refused_wherever_it_would_be_read_as_markup() {
    for unescaped in
        ["{{{lead.title}}}", "{{&lead.title}}", "{{~{lead.title}~}}", "{{{shorten lead.title 9}}}"]
    {
        for (file, body) in [
            ("digest/body.mjml.hbs", mjml(unescaped)),
            ("digest/body.html.hbs", format!("<p>{unescaped} {{{{unsubscribe_url}}}}</p>")),
        ] {
            let error = fault(file, &body);
            assert!(error.starts_with(file) && error.contains("three braces"), "{unescaped}: {error}");
        }
        assert_eq!(fault("digest/body.txt.hbs", &format!("{{{{unsubscribe_url}}}} {unescaped}")), "");
    }
}

#[test]
fn a_helper_that_cannot_work_is_a_fault_even_where_no_sample_comes() {
    for (text, word) in [
        ("{{shorten lead.title -1}}", "whole number"),
        ("{{shorten lead.title 0}}", "whole number"),
        ("{{shorten lead.title 1.5}}", "whole number"),
        ("{{wrap lead.title \"72\"}}", "whole number"),
        ("{{wrap lead.title 99999999999999999999}}", "whole number"),
        ("{{wrap (shorten lead.title -1) 72}}", "whole number"),
        ("{{wrap lead.title}}", "“wrap” wants two values"),
        ("{{lookup lead}}", "“lookup” wants two values"),
        ("{{#if (eq count)}}x{{/if}}", "“eq” wants two values"),
        ("{{#if}}x{{/if}}", "“if” wants a value"),
        ("{{../count}}", "unknown name “../count”"),
        ("{{#each articles}}{{../../count}}{{/each}}", "unknown name “../../count”"),
    ] {
        for body in [text.to_owned(), format!("{{{{#if (gt count 5000)}}}}{text}{{{{/if}}}}")] {
            let error = fault("digest/body.txt.hbs", &format!("{{{{unsubscribe_url}}}}\n{body}"));
            assert!(error.contains("line 2") && error.contains(word), "{body}: {error}");
        }
    }
}

#[test]
fn export_writes_a_folder_that_can_be_used_and_overwrites_nothing() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("mine");
    let files = Renderer::export(&target).unwrap();
    assert!(files.iter().all(|file| file.is_file()));
    assert_eq!(Renderer::new(Some(&target)).unwrap().check(), []);
    fs::write(target.join("digest/body.txt.hbs"), "mine").unwrap();
    let error = Renderer::export(&target).unwrap_err();
    assert!(error.to_string().contains("nothing was written"), "{error}");
    assert_eq!(fs::read_to_string(target.join("digest/body.txt.hbs")).unwrap(), "mine");
}

#[test]
fn loops_in_loops_that_print_without_end_are_stopped() {
    let words = "x".repeat(60_000);
    let inner = format!("{{{{#each @root.articles}}}}{words}{{{{/each}}}}");
    let text = format!("{{{{#each articles}}}}{{{{#each ../articles}}}}{inner}{{{{/each}}}}{{{{/each}}}}");
    let fault = fault("digest/body.txt.hbs", &text);
    assert!(fault.contains("more than 4 MB are printed: look for loops in loops"), "{fault}");
    let deep = format!("{{{{#each articles}}}}{text}{{{{/each}}}}").replace(&words, "");
    let fault = self::fault("digest/body.txt.hbs", &deep);
    assert!(fault.contains("more than 3 loops stand in one another"), "{fault}");
}
