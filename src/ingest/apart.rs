//! Files that get an entry of their own and stay held, because the name under which they were delivered is another's:
//! what was appended to a loaded file, or what a worker left whose claim was lost.

use std::io;
use std::path::Path;

use super::context::Context;
use crate::error::Error;
use crate::manifest::{self, Place, Whereabouts};
use crate::source::{Fixed, private_name};

/// Enters what is `fixed` under the name `source`, and has `bring` give it its private name. The entry is in hand until
/// then: whoever claimed it before would find nothing, and note that it vanished.
///
/// # Errors
/// When the database can't be written, or the file not be brought there.
pub(super) fn enter_apart(
    context: &Context<'_>,
    source: &str,
    fixed: &Fixed,
    bring: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), Error> {
    let (folder, delivered) = source.rsplit_once('/').map_or(("", source), |(folder, name)| (folder, name));
    let name_of = |id, claim_no| match folder {
        "" => private_name(id, claim_no, delivered),
        folder => format!("{folder}/{}", private_name(id, claim_no, delivered)),
    };
    let entry = manifest::enter_held(context.store, &context.worker, &context.origin, source, fixed)?;
    let name = name_of(entry.id, entry.claim_no);
    let own = context.folder_of(Place::Held).join(&name);
    match bring(&own) {
        Ok(()) => {
            let lies = Whereabouts { place: Place::Held, name: Some(name) };
            Ok(manifest::release(context.store, entry.claim(), &lies)?)
        }
        Err(e) => {
            manifest::vanished(context.store, entry.claim(), "its file was taken before it had a name of its own")?;
            match e.kind() {
                // Somebody was faster.
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(Error::storage(&own)(e)),
            }
        }
    }
}
