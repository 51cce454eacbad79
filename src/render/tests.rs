//! Whole mails, as the embedded templates make them.

use super::*;

#[test]
fn the_embedded_templates_are_without_fault() {
    let renderer = Renderer::new(None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(renderer.check(), []);
}
