//! `iotpipe release`: hands all held files back under their delivered names, for a way back to another version.

use super::exit::Exit;
use crate::ingest::{Context, hand_back_held, recover};

pub fn run(context: &Context<'_>) -> anyhow::Result<Exit> {
    recover(context)?;
    let (released, kept) = hand_back_held(context)?;
    context.printer.say(&match kept {
        0 => format!("release: {released} held files lie under their delivered names again"),
        _ => format!(
            "release: {released} held files lie under their delivered names again; {kept} stay held: they are in another \
             worker's hands, or another file has their name"
        ),
    });
    context.printer.result(&serde_json::json!({ "step": "release", "files": released, "held": kept }));
    Ok(if kept == 0 { Exit::Done } else { Exit::TryAgain })
}
