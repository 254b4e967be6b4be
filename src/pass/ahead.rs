//! Reads ahead of the parser: hash and decompression cost as much as parsing, so a file of more than one block has a
//! thread of its own for them.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Scope;

use sha2::{Digest, Sha256};

use crate::config::hex;
use crate::source::Compression;

/// Bytes that are handed over at once.
const BLOCK: usize = 256 << 10;
/// Blocks between the two threads.
const BLOCKS_UNDER_WAY: usize = 3;

/// The plain bytes of a file. Once they have been read to their end, the hash of what is stored is known.
pub(super) struct ReadAhead {
    block: Vec<u8>,
    at: usize,
    following: Option<Following>,
    hash: Arc<Mutex<Sha256>>,
}

struct Following {
    blocks: Receiver<io::Result<Vec<u8>>>,
    used: SyncSender<Vec<u8>>,
}

impl ReadAhead {
    /// Reads the first block; the thread that reads the others lives in `scope`.
    ///
    /// # Errors
    /// Those of the reader.
    pub(super) fn begin<'scope>(
        scope: &'scope Scope<'scope, '_>,
        reader: Box<dyn Read + Send + 'scope>,
        compression: Compression,
    ) -> io::Result<Self> {
        let hash = Arc::new(Mutex::new(Sha256::new()));
        let hashed = HashingReader { inner: reader, hash: Arc::clone(&hash) };
        let mut plain = compression.decode(hashed)?;
        let mut block = Vec::with_capacity(BLOCK);
        let following = match read_block(&mut plain, &mut block)? {
            false => None,
            true => Some(Following::spawn(scope, plain)),
        };
        Ok(Self { block, at: 0, following, hash })
    }

    /// The hash (hex) of the stored bytes; of all of them once a read has given 0.
    pub(super) fn sha256(&self) -> String {
        hex(&self.hash.lock().map(|hash| hash.clone().finalize()).unwrap_or_default())
    }
}

impl Following {
    fn spawn<'scope>(scope: &'scope Scope<'scope, '_>, mut plain: Box<dyn Read + Send + 'scope>) -> Self {
        let (sender, blocks) = sync_channel(BLOCKS_UNDER_WAY);
        let (used, spare) = sync_channel::<Vec<u8>>(BLOCKS_UNDER_WAY + 2);
        scope.spawn(move || {
            loop {
                let mut block = spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK));
                block.clear();
                let read = read_block(&mut plain, &mut block);
                let goes_on = matches!(read, Ok(true));
                // Nobody listens any more when the parser has given up.
                if sender.send(read.map(|_| block)).is_err() || !goes_on {
                    return;
                }
            }
        });
        Self { blocks, used }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            let Some(following) = &self.following else { return Ok(0) };
            let Ok(next) = following.blocks.recv() else { return Ok(0) };
            let used = std::mem::replace(&mut self.block, next?);
            let _ = following.used.try_send(used);
            self.at = 0;
        }
        let n = buffer.len().min(self.block.len() - self.at);
        buffer[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// Fills `block`; whether there may be more.
fn read_block(reader: &mut impl Read, block: &mut Vec<u8>) -> io::Result<bool> {
    reader.take(BLOCK as u64).read_to_end(block).map(|n| n == BLOCK)
}

/// Hashes what passes through it.
struct HashingReader<R> {
    inner: R,
    hash: Arc<Mutex<Sha256>>,
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
