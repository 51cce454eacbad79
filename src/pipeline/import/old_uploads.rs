//! What an earlier version left behind: uploaded files, and the notes about their lines, in a folder of their own. Now they
//! are kept in the database, and nobody reads those any more.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::pipeline::{App, Error};

/// Removes them.
pub async fn remove(app: &App) -> Result<(), Error> {
    let folder = match app.db.file() {
        Some(file) => PathBuf::from(format!("{}-imports", file.display())),
        None => std::env::temp_dir().join("daybreak-imports"),
    };
    let removed = tokio::task::spawn_blocking(move || {
        if let Err(error) = remove_files(&folder) {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "the uploads of an earlier version stay: remove the folder by hand");
        }
    });
    removed.await.map_err(|error| Error::Io(format!("removing old uploads broke down: {error}")))
}

fn remove_files(folder: &Path) -> io::Result<()> {
    let about = match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        about => about?,
    };
    // Among the temporary files anybody may have made one of this name, or a link; nobody puts another in the place of ours.
    if !about.is_dir() || about.uid() != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_ours) {
            std::fs::remove_file(entry.path())?;
        }
    }
    match std::fs::remove_dir(folder) {
        // Somebody keeps other files there.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        result => result,
    }
}

/// Whether a file has a name as uploads had: 256 random bits, and what it is.
fn is_ours(name: &str) -> bool {
    let Some(name) = name.strip_suffix(".csv") else { return false };
    let secret = name.strip_suffix(".notes").unwrap_or(name);
    secret.len() == 43 && secret.bytes().all(|sign| sign.is_ascii_alphanumeric() || b"-_".contains(&sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::accounts::secret;
    use crate::pipeline::import::uploads;
    use crate::pipeline::testing::apps;

    #[tokio::test]
    async fn the_uploads_of_an_earlier_version_are_removed_and_nothing_else() {
        for test in apps().await {
            let Some(file) = test.app.db.file() else { continue };
            let folder = PathBuf::from(format!("{}-imports", file.display()));
            for other in [None, Some("mine.csv")] {
                std::fs::create_dir(&folder).unwrap();
                let stored = secret().unwrap();
                let names = [format!("{stored}.csv"), format!("{stored}.notes.csv")];
                for name in names.iter().map(String::as_str).chain(other) {
                    std::fs::write(folder.join(name), "email\nann@example.org\n").unwrap();
                }
                uploads::forget(&test.app).await.unwrap();
                let left = std::fs::read_dir(&folder).into_iter().flatten();
                let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
                assert_eq!(left, other.into_iter().collect::<Vec<_>>());
                assert_eq!(folder.exists(), other.is_some());
            }
        }
    }

    #[test]
    fn a_link_of_that_name_is_not_followed() {
        let folder = tempfile::TempDir::new().unwrap();
        let (elsewhere, link) = (folder.path().join("elsewhere"), folder.path().join("link"));
        std::fs::create_dir(&elsewhere).unwrap();
        let file = elsewhere.join(format!("{}.csv", secret().unwrap()));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        remove_files(&link).unwrap();
        assert!(file.exists());
        remove_files(&elsewhere).unwrap();
        assert!(!elsewhere.exists());
    }
}
