//! A file in the database, in pieces: written as it comes and read as it is needed, by whichever node, with a few pieces
//! in memory.

use std::io::{self, Read};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::db::uploads::{self, Part};
use crate::db::{self, DbError};
use crate::pipeline::{App, Error};

/// The size of a piece, in bytes.
const PIECE: usize = 256 * 1024;

/// How many pieces are read ahead.
const AHEAD: usize = 2;

/// Writes a file.
pub struct Writer {
    app: App,
    stored: String,
    part: Part,
    /// The next piece's.
    number: i64,
    buffer: Vec<u8>,
}

impl Writer {
    pub fn new(app: &App, stored: &str, part: Part) -> Self {
        Self { app: app.clone(), stored: stored.to_owned(), part, number: 0, buffer: vec![] }
    }

    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while self.buffer.len() + bytes.len() >= PIECE {
            let (now, later) = bytes.split_at(PIECE - self.buffer.len());
            self.buffer.extend_from_slice(now);
            bytes = later;
            self.put().await?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is left.
    pub async fn finish(&mut self) -> Result<(), Error> {
        if self.buffer.is_empty() { Ok(()) } else { self.put().await }
    }

    async fn put(&mut self) -> Result<(), Error> {
        let mut pauses = db::PAUSES.into_iter();
        while let Err(error) = self.try_to_put().await {
            if !is_worth_another_try(&error, &mut pauses).await {
                return Err(error.into());
            }
        }
        self.buffer.clear();
        self.number += 1;
        Ok(())
    }

    async fn try_to_put(&self) -> Result<(), DbError> {
        let mut conn = self.app.db.conn().await?;
        let now = self.app.clock.now();
        uploads::put(&mut conn, &self.stored, self.part, self.number, &self.buffer, now).await
    }
}

/// The pieces of a file as they come, in order.
pub type Pieces = mpsc::Receiver<Result<Vec<u8>, DbError>>;

/// Begins to read a file; whoever drops what this returns ends it.
pub fn read(app: &App, stored: &str, part: Part) -> Pieces {
    let (sender, pieces) = mpsc::channel(AHEAD);
    let (app, stored) = (app.clone(), stored.to_owned());
    tokio::spawn(async move {
        for number in 0.. {
            let Some(piece) = piece(&app, &stored, part, number).await.transpose() else { return };
            let is_last = piece.is_err();
            if sender.send(piece).await.is_err() || is_last {
                return;
            }
        }
    });
    pieces
}

async fn piece(app: &App, stored: &str, part: Part, number: i64) -> Result<Option<Vec<u8>>, DbError> {
    let mut pauses = db::PAUSES.into_iter();
    loop {
        let piece =
            db::within(async { uploads::get(&mut *app.db.conn().await?, stored, part, number).await }).await;
        match piece {
            Err(error) if is_worth_another_try(&error, &mut pauses).await => {}
            piece => return piece,
        }
    }
}

/// Whether to try again what failed so; comes back when it is time to. Who heard nothing has waited long enough.
async fn is_worth_another_try(error: &DbError, pauses: &mut impl Iterator<Item = Duration>) -> bool {
    if !error.passes() || matches!(error, DbError::Silent) {
        return false;
    }
    let Some(pause) = pauses.next() else { return false };
    tracing::warn!(%error, "a piece of an uploaded file is tried again");
    tokio::time::sleep(pause).await;
    true
}

/// A file for a thread that may wait, of as many bytes as it must have.
pub struct Reader {
    pieces: Pieces,
    piece: Vec<u8>,
    /// How much of the piece is given out.
    given: usize,
    /// How much is to come.
    left: u64,
}

impl Reader {
    pub fn new(pieces: Pieces, bytes: u64) -> Self {
        Self { pieces, piece: vec![], given: 0, left: bytes }
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.piece.len() {
            match self.pieces.blocking_recv() {
                Some(piece) => (self.piece, self.given) = (piece.map_err(io::Error::other)?, 0),
                None if self.left == 0 => return Ok(0),
                None => {
                    let why = "the rest of the file is not there any more: upload it again";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
            }
        }
        let count = out.len().min(self.piece.len() - self.given);
        out[..count].copy_from_slice(&self.piece[self.given..self.given + count]);
        self.given += count;
        self.left = self.left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

/// Removes a file, some pieces at a time.
pub async fn remove(app: &App, stored: &str, part: Part) -> Result<(), Error> {
    while uploads::remove_some(&mut *app.db.conn().await?, stored, part).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::count;
    use crate::pipeline::testing::apps;

    #[tokio::test]
    async fn what_was_written_in_any_portions_is_read_as_it_was() {
        for test in apps().await {
            let app = &test.app;
            let whole: Vec<u8> = (0..3 * PIECE + 7).map(|place| u8::try_from(place % 251).unwrap()).collect();
            for portion in [1 + PIECE / 3, PIECE, 2 * PIECE + 1] {
                let mut writer = Writer::new(app, "a", Part::File);
                for bytes in whole.chunks(portion) {
                    writer.write(bytes).await.unwrap();
                }
                assert!(writer.buffer.len() < PIECE);
                writer.finish().await.unwrap();
                let bytes = uploads::bytes(&mut app.db.conn().await.unwrap(), "a", Part::File).await.unwrap();
                assert_eq!(usize::try_from(bytes).unwrap(), whole.len());
                let (pieces, bytes) = (super::read(app, "a", Part::File), u64::try_from(bytes).unwrap());
                let read = tokio::task::spawn_blocking(move || {
                    let mut read = vec![];
                    Reader::new(pieces, bytes).read_to_end(&mut read).map(|_| read)
                });
                assert!(read.await.unwrap().unwrap() == whole, "in portions of {portion}");
            }
            let mut notes = Writer::new(app, "a", Part::Notes);
            notes.write(b"x").await.unwrap();
            notes.finish().await.unwrap();
            remove(app, "a", Part::File).await.unwrap();
            assert_eq!(count(&mut app.db.conn().await.unwrap(), "upload_pieces").await, 1);
        }
    }

    #[tokio::test]
    async fn a_file_that_lacks_a_piece_is_not_taken_for_a_shorter_one() {
        for test in apps().await {
            let mut writer = Writer::new(&test.app, "a", Part::File);
            writer.write(&[b'x'; PIECE + 1]).await.unwrap();
            let pieces = super::read(&test.app, "a", Part::File);
            let read = tokio::task::spawn_blocking(move || {
                Reader::new(pieces, PIECE as u64 + 1).read_to_end(&mut vec![])
            });
            let error = read.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
