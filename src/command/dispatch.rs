//! From what was typed to the command that does it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::exit::{Exit, conclude};
use super::signals::{Ending, STOP, Signals};
use super::{
    adopt, aggregate, generate, health, init, load, loaded, migrate, reaggregate, release, replay, retry, run, scan,
    status, unload, validate, verify, watch,
};
use crate::cli::{Cli, Command, Global};
use crate::config::{Config, ConfigError, EndpointVariables};
use crate::error::Error;
use crate::ingest::pass::BatchMemory;
use crate::ingest::{Context, Folders, expect_writable, identify, tell_apart};
use crate::manifest::{self, State, Worker};
use crate::observability::{HttpServer, Monitor, Observer, Refused, write_metrics_file};
use crate::progress;
use crate::source::{Arrivals, ignore_lease_breaks};
use crate::store::{Store, StoreError, WindowPin};
use crate::telemetry;
use crate::terminal::{Printer, Summary};

/// Runs what was asked for, and says on stderr why it could not.
pub fn dispatch(cli: Cli) -> Exit {
    let printer = Printer::new(cli.global.output, cli.global.quiet);
    let step = cli.command.name();
    match run_command(cli, printer) {
        // Whoever asked has no answer.
        Ok(Exit::Done | Exit::Imperfect | Exit::Skipped) if !printer.was_heard() => {
            printer.error("the result can't be written to stdout");
            Exit::TryAgain
        }
        Ok(exit) => exit,
        Err(error) => {
            printer.error(&format!("{error:#}"));
            printer.result(&Failure { summary: Summary::of(step), error: format!("{error:#}") });
            exit_of(&error)
        }
    }
}

/// What programs read where a command failed.
#[derive(serde::Serialize)]
struct Failure {
    #[serde(flatten)]
    summary: Summary,
    error: String,
}

fn exit_of(error: &anyhow::Error) -> Exit {
    let never = error.downcast_ref::<ConfigError>().is_some()
        || matches!(error.downcast_ref::<StoreError>(), Some(StoreError::Url | StoreError::Schema(_)))
        || matches!(error.downcast_ref::<Error>(), Some(Error::Store(StoreError::Url | StoreError::Schema(_))))
        || error.downcast_ref::<Folders>().is_some()
        || error.downcast_ref::<Refused>().is_some()
        || error.downcast_ref::<loaded::NotLoaded>().is_some()
        || error.downcast_ref::<init::Exists>().is_some()
        || error.downcast_ref::<init::NoSample>().is_some();
    if never { Exit::Never } else { Exit::TryAgain }
}

fn run_command(cli: Cli, printer: Printer) -> anyhow::Result<Exit> {
    let Cli { global, command } = cli;
    if let Command::Init { from, force } = command {
        let path = global.config.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG));
        return init::run(path, from.as_deref(), force, printer);
    }
    let config = resolve(&global)?;
    let config = match &command {
        Command::Loop { http, .. } | Command::Health(http) => config.answering_at(http.http.as_deref())?,
        _ => config,
    };
    if let Command::Health(_) = command {
        return health::run(&config, printer);
    }
    let monitor = match (&command, config.http) {
        (Command::Loop { .. }, Some(address)) => Some(answer_at(address)?),
        _ => None,
    };
    let config = match command.takes_files() || command.loads() {
        true => config.reporting_to(EndpointVariables::of_environment())?,
        false => config,
    };
    let signals = Signals::catch(Ending { printer, step: command.name(), code: i32::from(command.is_asked_for()) })?;
    if let Command::Generate(args) = &command {
        return generate::run(args, &config, &signals, printer);
    }
    tell_apart(&config.paths)?;
    if command.needs_folders() {
        create_folders(&config)?;
    }
    if command.takes_files() {
        expect_writable(&config.paths.data)?;
    }
    let logs = command.needs_folders().then_some(config.paths.logs.as_path());
    let _logs = telemetry::start(logs, &global);
    let started = Instant::now();
    let store = Store::open(&config.database_url, command.workers())?;
    if let Command::Migrate = command {
        return migrate::run(&config, &store, printer);
    }
    if let Command::Reaggregate { window } = command {
        bring_schema_up_to_date(&config, &store, WindowPin::Any)?;
        signals.begin_work(None);
        return reaggregate::run(&config, &store, window, printer);
    }
    bring_schema_up_to_date(&config, &store, WindowPin::OfContract)?;
    ignore_lease_breaks();
    if let Command::Status = command {
        return status::run(&config, &store, printer);
    }
    if let Command::Adopt = command {
        return adopt::run(&config, &store, printer);
    }
    let identity = identify(&config.paths, &store)?;
    if identity.is_new {
        manifest::take_in_origin(&store, "", &identity.origin)?;
    }
    let worker = Worker::enter(&store, &config.paths.data)?;
    let reported = Mutex::default();
    let workers = command.workers();
    let watched = || Arc::new(Arrivals::new(&config.paths.data, &config.patterns));
    let arrivals = matches!(command, Command::Loop { .. }).then(watched);
    signals.begin_work(None);
    let to_server = command.loads() && !store.is_embedded();
    let batch_memory = if to_server { BatchMemory::large() } else { BatchMemory::small() };
    let (config, store, stop) = (&config, &store, &STOP);
    let context = Context {
        config,
        store,
        printer,
        worker,
        origin: identity.origin,
        workers,
        batch_memory,
        arrivals,
        observer: Observer::start(config, store),
        stop,
        contract_kept: AtomicBool::new(false),
        unnamed_columns: Mutex::default(),
        replayed: AtomicI64::new(0),
        reported,
    };
    if let Some(monitor) = &monitor {
        monitor.observe(&context.config.database_url, &context.origin, context.worker.id)?;
    }
    let metrics_file = command.metrics_file().map(Path::to_owned);
    let tell = |exit: Exit| {
        context.observer.end();
        write_metrics(&context, metrics_file.as_deref(), exit);
    };
    let ended = carry_out(&context, command, &signals, started, monitor.as_deref(), &tell);
    if ended.is_err() {
        tell(Exit::TryAgain);
    }
    context.worker.leave(store);
    ended
}

/// Answers at `address` from now on, with what the monitor that is given knows.
fn answer_at(address: SocketAddr) -> anyhow::Result<Arc<Monitor>> {
    progress::made();
    let (server, monitor) = (HttpServer::listen(address)?, Arc::new(Monitor::default()));
    server.serve(Arc::clone(&monitor))?;
    Ok(monitor)
}

/// Metrics that can't be written cost a line on stderr: what was done is done, and they grow old.
fn write_metrics(context: &Context<'_>, path: Option<&Path>, exit: Exit) {
    let succeeded = matches!(exit, Exit::Done | Exit::Imperfect | Exit::Skipped);
    if let Some(path) = path
        && let Err(e) = write_metrics_file(path, context.store, &context.origin, context.worker.id, succeeded)
    {
        context.printer.error(&format!("metrics can't be written at {}: {e}", path.display()));
    }
}

fn carry_out(
    context: &Context<'_>,
    command: Command,
    signals: &Signals,
    started: Instant,
    monitor: Option<&Monitor>,
    tell: &dyn Fn(Exit),
) -> anyhow::Result<Exit> {
    let (args, mut summary) = match command {
        Command::Verify { files } => return verify::run(context, &files),
        Command::Replay { file } => return replay::run(context, &file),
        Command::Unload { file, again, only } => return unload::run(context, &file, again, only),
        Command::Loop { interval, .. } => return watch::run(context, interval, signals, monitor),
        Command::Scan(args) => (args, scan::run(context)?),
        Command::Validate(args) => (args.work.step, validate::run(context, &args.files)?),
        Command::Aggregate(args) => (args.work.step, aggregate::run(context, &args.files)?),
        Command::Load(args) => (args.work.step, load::run(context, &args.files)?),
        Command::Run(args) => (args.step, run::run(context)?),
        Command::Retry { files } => return retry::run(context, &files),
        Command::Release => return release::run(context),
        Command::Init { .. }
        | Command::Adopt
        | Command::Status
        | Command::Health(_)
        | Command::Migrate
        | Command::Reaggregate { .. }
        | Command::Generate(_) => return Ok(Exit::Done),
    };
    summary.failed_total = manifest::count_by_state(context.store, Some(&context.origin))?
        .into_iter()
        .find_map(|(state, n)| (state == State::Failed).then_some(n.unsigned_abs()))
        .unwrap_or(0);
    if summary.failed_total > 0 {
        let files = if summary.failed_total == 1 {
            "1 file is".to_owned()
        } else {
            format!("{} files are", summary.failed_total)
        };
        context.printer.say(&format!("{files} given up: `iotpipe status` says why, `iotpipe retry` takes up again"));
        summary.imperfect = true;
    }
    if summary.pending > 0 {
        let holders =
            manifest::holders(context.store, Some(&context.origin), Some(context.worker.id)).map_err(Error::from)?;
        holders.iter().for_each(|holder| context.printer.say(&holder.to_string()));
    }
    Ok(conclude(summary, started, &args, context.stop.load(Ordering::Relaxed), context.printer, tell))
}

const DEFAULT_CONFIG: &str = "iotpipe.toml";

fn resolve(global: &Global) -> Result<Config, ConfigError> {
    let default = Path::new(DEFAULT_CONFIG);
    let path = match &global.config {
        Some(path) => Some(path.as_path()),
        None => default.exists().then_some(default),
    };
    Config::resolve(path, global.database_url.clone())
}

fn create_folders(config: &Config) -> Result<(), Error> {
    let paths = &config.paths;
    for folder in [&paths.data, &paths.processed, &paths.quarantine] {
        fs::create_dir_all(folder).map_err(Error::storage(folder))?;
    }
    Ok(())
}

fn bring_schema_up_to_date(config: &Config, store: &Store, pin: WindowPin) -> Result<(), StoreError> {
    if store.is_embedded() || config.auto_migrate {
        return store.migrate(&config.contract, pin);
    }
    match store.is_migrated(&config.contract, pin)? {
        true => Ok(()),
        false => Err(StoreError::Schema(format!(
            "the schema at {} is not the one that this program and contract need, and auto_migrate is off; run \
             `iotpipe migrate` once",
            store.place()
        ))),
    }
}
