//! File systems of their own, in memory; mounting needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One that is mounted for as long as this lives.
pub struct MountedDisk(PathBuf);

impl MountedDisk {
    /// On `folder`, with room for so many KiB; `None`, with a word on stderr, where this user may not mount.
    pub fn on(folder: &Path, kib: usize) -> Option<MountedDisk> {
        std::fs::create_dir_all(folder).unwrap();
        let size = format!("size={kib}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        match mounted {
            Ok(output) if output.status.success() => Some(MountedDisk(folder.to_owned())),
            _ => {
                eprintln!("not shown here: a file system can only be mounted by root");
                None
            }
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Gives it room for so many KiB.
    pub fn resize(&self, kib: usize) {
        let options = format!("remount,size={kib}k");
        let remounted = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(remounted.success());
    }
}

impl Drop for MountedDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
