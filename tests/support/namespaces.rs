//! The program where it sees other processes, another host name or other mounts than the tests do.

use std::process::Command;

use super::World;

impl World {
    /// The program with `args` in `namespaces` of its own (options of unshare(1)), started by `script` as `"$0" "$@"`.
    pub fn apart(&self, namespaces: &[&str], script: &str, args: &[&str]) -> Command {
        let mut unshare = Command::new("unshare");
        if !rustix::process::getuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        let program = self.command(args);
        unshare.args(namespaces).args(["sh", "-c", script]).arg(program.get_program()).args(args);
        unshare.current_dir(self.path("")).env("DATABASE_URL", self.url());
        unshare
    }
}
