//! Compiles anew when a migration or a template is added, and lists the pages' templates and files, which are embedded.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=templates");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("templates/web");
    let mut files = vec![];
    collect(&root, &mut files);
    files.sort();
    let list = |of: &dyn Fn(&Path) -> Option<String>| {
        let mut text = "[\n".to_owned();
        for file in &files {
            if let Some(name) = of(file) {
                writeln!(text, "({name:?}, include_str!({file:?})),").expect("a string takes it");
            }
        }
        text + "]"
    };
    let is_page = |file: &Path| file.extension().is_some_and(|extension| extension == "hbs");
    let page = |file: &Path| {
        let below = file.strip_prefix(&root).expect("it is in there").with_extension("");
        is_page(file).then(|| below.to_string_lossy().replace('\\', "/"))
    };
    let asset = |file: &Path| {
        (!is_page(file)).then(|| file.file_name().unwrap_or_default().to_string_lossy().into_owned())
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("web_templates.rs"), list(&page)).expect("the target folder takes files");
    fs::write(out.join("web_assets.rs"), list(&asset)).expect("the target folder takes files");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("templates/web can be read") {
        let path = entry.expect("templates/web can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
