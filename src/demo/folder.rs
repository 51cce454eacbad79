//! The folder that a demo keeps its things in: a throw-away one, or one to keep.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::pipeline::Error;

/// Removed with all that is in it when it is dropped, unless it is to be kept.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    /// A new folder among the system's temporary ones, for its owner alone.
    pub fn throw_away() -> Result<Self, Error> {
        let mut chance = [0; 8];
        getrandom::fill(&mut chance)
            .map_err(|error| Error::Io(format!("the system gives no randomness: {error}")))?;
        let path = std::env::temp_dir().join(format!("daybreak-demo-{:016x}", u64::from_be_bytes(chance)));
        make(&path, false)?;
        Ok(Self { path, is_kept: false })
    }

    /// A folder that stays: it is made if it is not there, and must not hold an earlier demo.
    pub fn kept(path: &Path) -> Result<Self, Error> {
        make(path, true)?;
        let folder = Self { path: path.to_owned(), is_kept: true };
        match folder.database().exists() {
            true => Err(Error::Invalid(format!(
                "{} is there already: name a new folder with --keep, or delete the file",
                folder.database().display()
            ))),
            false => Ok(folder),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    pub fn database(&self) -> PathBuf {
        self.path.join("daybreak.db")
    }

    /// Where the caught mails go as files.
    pub fn mail(&self) -> PathBuf {
        self.path.join("mail")
    }
}

/// A folder among those that everybody may write must be new: somebody else could have put it there.
fn make(path: &Path, may_exist: bool) -> Result<(), Error> {
    let made = std::fs::DirBuilder::new().mode(0o700).recursive(may_exist).create(path);
    made.map_err(|error| Error::Io(format!("the folder {} cannot be made: {error}", path.display())))
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(folder = %self.path.display(), %error, "the demo's folder could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throw_away_folder_goes_and_a_kept_one_stays() {
        let gone = Folder::throw_away().unwrap().path().to_owned();
        assert!(!gone.exists());
        let within = tempfile::tempdir().unwrap();
        let path = within.path().join("a/b");
        let folder = Folder::kept(&path).unwrap();
        std::fs::write(folder.database(), "").unwrap();
        drop(folder);
        assert!(path.exists());
        assert!(Folder::kept(&path).unwrap_err().to_string().contains("daybreak.db is there already"));
    }
}
