//! `concert`: list, import and export.

use std::io::Read as _;
use std::path::Path;

use app::import::{self, Format, ImportError};
use app::{App, audit, concerts};
use domain::concert::{Concert, ConcertStatus};
use serde_json::json;
use store::Acting;

use super::{
    CliError, ConcertCommand, ConcertExportArgs, ConcertImportArgs, ConcertListArgs,
    ConcertStatusArg, FileFormat, login, print, print_json,
};
use crate::config::Config;

pub async fn run(config: Config, command: ConcertCommand) -> Result<(), CliError> {
    let app = login::open_app(&config).await?;
    match command {
        ConcertCommand::List(args) => list(&app, &args).await,
        ConcertCommand::Import(args) => import(&app, &args).await,
        ConcertCommand::Export(args) => export(&app, &args).await,
    }
}

async fn list(app: &App, args: &ConcertListArgs) -> Result<(), CliError> {
    let wanted = args.status.map(|status| match status {
        ConcertStatusArg::Open => ConcertStatus::Open,
        ConcertStatusArg::Closed => ConcertStatus::Closed,
        ConcertStatusArg::Archived => ConcertStatus::Archived,
    });
    let mut concerts = read_all(app).await?;
    concerts.retain(|concert| wanted.is_none_or(|status| concert.status == status));
    concerts.sort_by_key(|concert| (concert.date, concert.id));
    if args.report.json {
        return print_json(&import::write_json(
            &concerts,
            app.settings().currency.as_str(),
        ));
    }
    let lines = concerts.iter().map(|concert| {
        format!(
            "{:>6}  {}  {:8}  {:>6} of {:>6}  {:>11}  {}: {}\n",
            concert.id.get(),
            concert.date,
            concert.status.as_str(),
            concert.available_tickets,
            concert.total_tickets,
            concert.price.to_string(),
            concert.artist,
            concert.name
        )
    });
    print(lines.collect::<String>().as_bytes())
}

async fn import(app: &App, args: &ConcertImportArgs) -> Result<(), CliError> {
    let content = read_file(&args.file)?;
    let by_ending = args
        .file
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let format = match args.format {
        Some(FileFormat::Json) => Format::Json,
        None if by_ending => Format::Json,
        _ => Format::Csv,
    };
    match import::import(app, &Acting::cli(None), (format, &content)).await {
        Ok(ids) if args.report.json => {
            let ids: Vec<i32> = ids.into_iter().map(domain::id::ConcertId::get).collect();
            print_json(&json!({ "imported": ids.len(), "ids": ids, "errors": [] }))
        }
        Ok(ids) => print(format!("imported {} concerts\n", ids.len()).as_bytes()),
        Err(ImportError::Rows(errors)) => {
            if args.report.json {
                let errors: Vec<_> = errors
                    .iter()
                    .map(|e| json!({ "row": e.row, "column": e.column, "detail": e.reason.to_string() }))
                    .collect();
                print_json(&json!({ "imported": 0, "ids": [], "errors": errors }))?;
            } else {
                for error in &errors {
                    eprintln!("{error}");
                }
                eprintln!("nothing was imported; mend the file and run this again");
            }
            Err(CliError::CheckFailed)
        }
        Err(error) => Err(CliError::failed("can't import", &error)),
    }
}

async fn export(app: &App, args: &ConcertExportArgs) -> Result<(), CliError> {
    let concerts = read_all(app).await?;
    let format = match args.chosen_format() {
        FileFormat::Json => "json",
        FileFormat::Csv => "csv",
    };
    let asked = json!({ "format": format, "rows": concerts.len() });
    audit::log_export(app, &Acting::cli(None), "concerts", &asked)
        .await
        .map_err(|error| CliError::failed("can't write to the audit log", &error))?;
    let currency = app.settings().currency;
    match args.chosen_format() {
        FileFormat::Json => print_json(&import::write_json(&concerts, currency.as_str())),
        FileFormat::Csv => {
            let csv = import::write_csv(&concerts, currency.as_str())
                .map_err(|error| CliError::failed("can't write CSV", &error))?;
            print(csv.as_bytes())
        }
    }
}

/// All concerts, read in pages so that no statement takes long.
async fn read_all(app: &App) -> Result<Vec<Concert>, CliError> {
    let mut all: Vec<Concert> = Vec::new();
    loop {
        let after = all.last().map(|concert| concert.id);
        let page = concerts::list_all(app, after)
            .await
            .map_err(|error| CliError::failed("can't read the concerts", &error))?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn read_file(path: &Path) -> Result<String, CliError> {
    let mut content = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut content)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut content))
    };
    read.map_err(|error| CliError::failed(format!("can't read {}", path.display()), &error))?;
    Ok(content)
}
