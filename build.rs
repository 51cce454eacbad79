//! Compiles anew when a migration or a template is added: both are embedded.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=templates");
}
