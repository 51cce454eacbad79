//! Pages by hand, one for each thing that real ones do; and the sample pages, where they are.

use proptest::prelude::*;

use super::*;
use crate::sources::html::to_text;

fn samples() -> Option<std::path::PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/pages");
    if !folder.is_dir() {
        eprintln!("skipped: there are no sample pages at ../shared/samples/pages");
        return None;
    }
    Some(folder)
}

#[test]
fn dump() {
    let Some(folder) = samples() else { return };
    for name in ["bbc-1", "folha", "guardian-1", "lemonde-1", "rtl-1", "wordpress"] {
        let bytes = std::fs::read(folder.join(name).join("source.html")).expect("a sample");
        let started = tokio::time::Instant::now();
        let mut a = extract_page(&bytes, None, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let body = std::mem::take(&mut a.body_html);
        println!("== {name} {:?}\n{a:#?}\n{}\n", started.elapsed(), to_text(&body));
    }
    let text = std::fs::read_to_string(folder.join("news-article.txt")).expect("a sample");
    let mut a = from_pasted_text(&text).expect("an article");
    let body = std::mem::take(&mut a.body_html);
    println!("== pasted\n{a:#?}\n{}\n", body.replace("</p>","</p>\n").replace("</h2>","</h2>\n").replace("</li>","</li>\n"));
}
