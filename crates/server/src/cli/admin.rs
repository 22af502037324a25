//! `admin`: staff accounts, as the server's login; and the first superadmin, whom `serve` makes from
//! its configuration while there is none.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::Path;

use app::sign_in::unlock::{self, Locked};
use app::staff::{self, Change, NewStaffMember, StaffError, StaffMember};
use app::{App, first_setup};
use domain::password::{self, Password};
use domain::role::Role;
use domain::text::{EmailAddress, TextError, Username};
use serde_json::json;
use store::{Acting, StoreError};

use super::{CliError, ReportArgs, login, print, print_json};
use crate::api::admin::model::StaffMemberBody;
use crate::config::{Config, FirstAdmin};
use crate::setup;

pub mod args;

use args::{
    ActiveArgs, AdminCommand, ByArgs, CreateArgs, PasswordArgs, ResetPasswordArgs, UnlockArgs,
};

/// Accounts read at once.
const PAGE: i64 = 200;
/// A line that is longer holds no password of ours; a file of any size is no reason to read it all.
const LINE_BYTES_MAX: u64 = 1_024;

pub async fn run(config: Config, command: AdminCommand) -> Result<(), CliError> {
    let app = login::open_app(&config).await?;
    match command {
        AdminCommand::Create(args) => create(&app, &args).await,
        AdminCommand::List(args) => list(&app, args).await,
        AdminCommand::Disable(args) => set_active(&app, &args, false).await,
        AdminCommand::Enable(args) => set_active(&app, &args, true).await,
        AdminCommand::ResetPassword(args) => reset_password(&app, &args).await,
        AdminCommand::Unlock(args) => unlock(&app, &args).await,
    }
}

async fn create(app: &App, args: &CreateArgs) -> Result<(), CliError> {
    let username = parse("the name", Username::parse(&args.username))?;
    let email = parse("the e-mail address", EmailAddress::parse(&args.email))?;
    let by = acting(app, &args.by).await?;
    let new = NewStaffMember {
        username,
        email,
        role: args.role.into(),
        password: read_password(&args.password)?,
    };
    let made = staff::create(app, new, by).await;
    let made = made.map_err(|error| failed("can't make the account", &error))?;
    report(args.report, "made", made)
}

async fn list(app: &App, args: ReportArgs) -> Result<(), CliError> {
    let mut all: Vec<StaffMember> = Vec::new();
    loop {
        let after = all.last().map_or(0, |member| member.id.get());
        let page = staff::list(app, after, PAGE)
            .await
            .map_err(|error| CliError::failed("can't read the accounts", &error))?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if args.json {
        let all: Vec<_> = all.into_iter().map(StaffMemberBody::new).collect();
        return print_json(&json!(all));
    }
    let lines = all.iter().map(|member| {
        let last_login = member
            .last_login
            .map_or("never signed in".to_owned(), |at| at.to_string());
        format!(
            "{:>6}  {:10}  {:8}  {}  {}  {last_login}\n",
            member.id.get(),
            member.role.as_str(),
            if member.is_active {
                "active"
            } else {
                "disabled"
            },
            member.username,
            member.email,
        )
    });
    print(lines.collect::<String>().as_bytes())
}

async fn set_active(app: &App, args: &ActiveArgs, is_active: bool) -> Result<(), CliError> {
    let member = find(app, &args.username).await?;
    let by = acting(app, &args.by).await?;
    let change = Change {
        is_active: Some(is_active),
        ..Change::default()
    };
    let (failure, done) = if is_active {
        ("can't enable the account", "enabled")
    } else {
        ("can't disable the account", "disabled")
    };
    let changed = staff::change(app, member.id, change, by).await;
    let changed = changed.map_err(|error| failed(failure, &error))?;
    report(args.report, done, changed)
}

async fn reset_password(app: &App, args: &ResetPasswordArgs) -> Result<(), CliError> {
    let member = find(app, &args.username).await?;
    let by = acting(app, &args.by).await?;
    let change = Change {
        password: Some(read_password(&args.password)?),
        forget_totp: args.forget_totp,
        ..Change::default()
    };
    let changed = staff::change(app, member.id, change, by).await;
    let changed = changed.map_err(|error| failed("can't change the password", &error))?;
    if !changed.is_active {
        let name = &changed.username;
        eprintln!(
            "{name} is disabled and can't sign in; `stagedoor admin enable {name}` lets them"
        );
    }
    report(args.report, "gave a new password to", changed)
}

async fn unlock(app: &App, args: &UnlockArgs) -> Result<(), CliError> {
    let (whose, said) = match (&args.whose.username, args.whose.address) {
        (Some(name), _) => {
            let username = parse("the name", Username::parse(name))?;
            let said = format!("of {}", username.as_str());
            (Locked::Username(username), said)
        }
        (None, Some(address)) => (Locked::Address(address), format!("from {address}")),
        (None, None) => (Locked::All, "of all names and addresses".to_owned()),
    };
    let forgotten = unlock::unlock(app, whose, Acting::cli(None)).await;
    let forgotten =
        forgotten.map_err(|error| CliError::failed("can't forget the failures", &error))?;
    if args.report.json {
        return print_json(&json!({ "forgotten": forgotten }));
    }
    let text = match forgotten {
        0 => format!("there were no failed sign-ins {said}\n"),
        _ => format!("forgot the failed sign-ins {said}\n"),
    };
    print(text.as_bytes())
}

/// Makes the superadmin whom the configuration names, while there is none.
pub(crate) async fn provide_first(config: &Config, app: &App) -> Result<(), CliError> {
    let unreadable = |error| CliError::failed("can't read the staff accounts", &error);
    if staff::has_superadmin(app).await.map_err(unreadable)? {
        return Ok(());
    }
    let Some(first) = &config.first_admin else {
        return show_setup(config, app).await.map_err(unreadable);
    };
    let new = first_member(first)?;
    let by = Acting::system("serve");
    let made = staff::create_first(app, new, by).await;
    let made = made.map_err(|error| failed("can't make the first superadmin", &error))?;
    if let Some(member) = made {
        // By its number: names of people are in no log.
        tracing::info!(account = member.id.get(), "the first superadmin was made");
    }
    Ok(())
}

/// Shows the one address that makes a superadmin, to whoever reads this process' log.
async fn show_setup(config: &Config, app: &App) -> Result<(), StoreError> {
    let Some(token) = first_setup::open(app).await? else {
        return Ok(());
    };
    let site = config.web.base_url.to_string();
    let url = format!("{}{}?t={token}", site.trim_end_matches('/'), setup::PATH);
    tracing::warn!(
        url,
        "nobody can sign in as staff: make a superadmin at this address within an hour (of several \
         servers the last one's counts), with `stagedoor admin create`, or by \
         STAGEDOOR_ADMIN_USERNAME, _EMAIL and _PASSWORD_FILE"
    );
    Ok(())
}

fn first_member(first: &FirstAdmin) -> Result<NewStaffMember, CliError> {
    let username = Username::parse(&first.username);
    let email = EmailAddress::parse(&first.email);
    Ok(NewStaffMember {
        username: parse("STAGEDOOR_ADMIN_USERNAME", username)?,
        email: parse("STAGEDOOR_ADMIN_EMAIL", email)?,
        role: Role::Superadmin,
        password: password_in(&first.password_file)?,
    })
}

/// Somebody at the command line, and who of the staff they say they are.
pub(super) async fn acting(app: &App, by: &ByArgs) -> Result<Acting, CliError> {
    let Some(name) = &by.actor else {
        return Ok(Acting::cli(None));
    };
    let username = parse("--as", Username::parse(name))?;
    let member = staff::find_by_username(app, &username)
        .await
        .map_err(|error| CliError::failed("can't read the accounts", &error))?;
    match member {
        Some(member) if member.is_active => Ok(Acting::cli(Some(member.id))),
        // The audit log would say that somebody acted who may do nothing any more.
        Some(_) => Err(CliError::Usage(format!(
            "--as names {name}, whose account is disabled; name an active one of `stagedoor admin \
             list`"
        ))),
        None => Err(CliError::Usage(format!(
            "--as names {name}, whom `stagedoor admin list` doesn't know; name an active one there"
        ))),
    }
}

async fn find(app: &App, name: &str) -> Result<StaffMember, CliError> {
    let username = parse("the name", Username::parse(name))?;
    let found = staff::find_by_username(app, &username)
        .await
        .map_err(|error| CliError::failed("can't read the accounts", &error))?;
    found.ok_or_else(|| {
        CliError::Failed(format!(
            "there is no account {name}; `stagedoor admin list` shows them"
        ))
    })
}

/// From the file, from a terminal, or from stdin, in this order.
fn read_password(args: &PasswordArgs) -> Result<Password, CliError> {
    match &args.password_file {
        Some(path) if path != Path::new("-") => password_in(path),
        None if io::stdin().is_terminal() => ask_password(),
        _ => password_of_line(io::stdin().lock(), "stdin"),
    }
}

fn password_in(path: &Path) -> Result<Password, CliError> {
    let file = File::open(path).map_err(|error| {
        CliError::Usage(format!(
            "can't read the password file {}: {error}",
            path.display()
        ))
    })?;
    password_of_line(BufReader::new(file), &path.display().to_string())
}

fn password_of_line(from: impl BufRead, name: &str) -> Result<Password, CliError> {
    let mut line = String::new();
    from.take(LINE_BYTES_MAX)
        .read_line(&mut line)
        .map_err(|error| CliError::Usage(format!("can't read a password from {name}: {error}")))?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    parse(&format!("the password from {name}"), Password::parse(line))
}

/// Twice, for nobody sees what they type.
fn ask_password() -> Result<Password, CliError> {
    let ask = |question: String| {
        rpassword::prompt_password(question)
            .map_err(|error| CliError::failed("can't ask for a password", &error))
    };
    let least = password::CHARACTERS_MIN;
    let first = ask(format!("New password (at least {least} characters): "))?;
    let password = parse("the password", Password::parse(&first))?;
    if ask("The same again: ".to_owned())? == first {
        Ok(password)
    } else {
        Err(CliError::Usage(
            "the passwords differ; nothing was changed, try again".to_owned(),
        ))
    }
}

pub(super) fn parse<T>(what: &str, parsed: Result<T, TextError>) -> Result<T, CliError> {
    parsed.map_err(|error| CliError::Usage(format!("{what} {error}")))
}

fn failed(what: &str, error: &StaffError) -> CliError {
    match error {
        StaffError::Guessable(_) => CliError::Usage(format!("{what}: {error}")),
        error => CliError::failed(what, error),
    }
}

fn report(args: ReportArgs, done: &str, member: StaffMember) -> Result<(), CliError> {
    if args.json {
        return print_json(&json!(StaffMemberBody::new(member)));
    }
    let (username, role) = (&member.username, member.role);
    print(format!("{done} {username} ({role})\n").as_bytes())
}
