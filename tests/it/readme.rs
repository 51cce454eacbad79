//! What the README tells a newcomer to type runs as it stands, in its order, on an empty database.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::daybreak::{everywhere, recipients};

/// The commands of each step, but for the one that goes on until it is stopped.
fn steps() -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, guide) = readme.split_once("## Your first newsletter").unwrap();
    let guide = guide.split("\n## ").next().unwrap();
    // Every second piece stands between two fences.
    let blocks = guide.split("```").skip(1).step_by(2).map(str::trim);
    blocks.filter(|block| *block != "daybreak serve").map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_commands_run_one_after_the_other() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        let program = Path::new(env!("CARGO_BIN_EXE_daybreak")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let steps = steps();
        assert!(steps.len() >= 6 && steps.iter().any(|step| step.contains("issue why")), "{steps:?}");
        for step in &steps {
            let ran = Command::new("sh")
                .args(["-euc", step])
                .env_clear()
                .env("PATH", &path)
                .envs(daybreak.settings())
                .current_dir(daybreak.folder())
                .stdin(Stdio::null())
                .output()
                .await
                .unwrap();
            assert!(ran.status.success(), "{step}\n{}", String::from_utf8_lossy(&ran.stderr));
        }
        assert_eq!(recipients(&sink), ["anna@example.org", "ben@example.org", "you@example.org"]);
        // A newsletter's name stands for its latest there, as the number does.
        assert_eq!(
            daybreak.run(&["issue", "why", "morning", "ben@example.org"]).await,
            daybreak.run(&["issue", "why", "1", "ben@example.org"]).await
        );
    })
    .await;
}
