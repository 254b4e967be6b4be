//! Cuts rows ahead of the one who judges them: reading, hashing, decompressing and cutting cost as much as the verdicts,
//! so a file of more than one block has a thread of its own for them.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Scope;

use sha2::{Digest, Sha256};

use crate::source::hex;
use iotpipe_core::parse::{RowBlock, RowReader};

/// Blocks between the two threads: more of them take memory and gain nothing.
const BLOCKS_UNDER_WAY: usize = 1;

/// The rows of a file, block by block.
pub(super) enum ReadAhead<R> {
    /// All of the file has been read.
    Here(Box<RowReader<R>>),
    /// A thread cuts what follows.
    Following { blocks: Receiver<io::Result<RowBlock>>, used: SyncSender<RowBlock> },
}

impl<R: Read + Send> ReadAhead<R> {
    /// The thread, when one is needed, lives in `scope`.
    pub(super) fn begin<'scope>(scope: &'scope Scope<'scope, '_>, rows: RowReader<R>) -> Self
    where
        R: 'scope,
    {
        if rows.at_end() {
            return ReadAhead::Here(Box::new(rows));
        }
        let (sender, blocks) = sync_channel(BLOCKS_UNDER_WAY);
        let (used, spare) = sync_channel(BLOCKS_UNDER_WAY + 2);
        scope.spawn(move || cut(rows, &sender, &spare));
        ReadAhead::Following { blocks, used }
    }

    /// The next rows; `None` behind the last.
    ///
    /// # Errors
    /// Those of the reader. The rows before them have been given.
    pub(super) fn next_block(&mut self) -> io::Result<Option<RowBlock>> {
        match self {
            ReadAhead::Here(rows) => rows.next_block(RowBlock::default()),
            ReadAhead::Following { blocks, .. } => blocks.recv().ok().transpose(),
        }
    }

    /// Takes a block whose rows have been judged, for its memory.
    pub(super) fn give_back(&self, block: RowBlock) {
        if let ReadAhead::Following { used, .. } = self {
            let _ = used.try_send(block.emptied());
        }
    }
}

fn cut(mut rows: RowReader<impl Read>, sender: &SyncSender<io::Result<RowBlock>>, spare: &Receiver<RowBlock>) {
    while let Some(block) = rows.next_block(spare.try_recv().unwrap_or_default()).transpose() {
        let goes_on = block.is_ok();
        // Nobody listens any more when the pass has given up.
        if sender.send(block).is_err() || !goes_on {
            return;
        }
    }
}

/// Hashes what passes through it.
pub(super) struct HashingReader<R> {
    inner: R,
    hash: Arc<Mutex<Sha256>>,
}

/// The hash of the bytes that have passed through a [`HashingReader`].
pub(super) struct PassedBytes(Arc<Mutex<Sha256>>);

impl<R> HashingReader<R> {
    pub(super) fn over(inner: R) -> (Self, PassedBytes) {
        let hash = Arc::new(Mutex::new(Sha256::new()));
        (Self { inner, hash: Arc::clone(&hash) }, PassedBytes(hash))
    }
}

impl PassedBytes {
    /// In hex.
    pub(super) fn sha256(&self) -> String {
        hex(&self.0.lock().map(|hash| hash.clone().finalize()).unwrap_or_default())
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if let Ok(mut hash) = self.hash.lock() {
            hash.update(&buffer[..n]);
        }
        Ok(n)
    }
}
