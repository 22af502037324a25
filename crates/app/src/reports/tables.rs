//! The figures of a report as tables to take away, in the order in which pages show them.

use domain::report::{Outcome, Share};

use super::Report;
use crate::exports::{Cell, Row, Table};

/// One figure of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    Sales,
    Fill,
    Revenue,
    Paid,
    Refunds,
    SellOuts,
}

impl Figure {
    pub const ALL: [Self; 6] = [
        Self::Sales,
        Self::Fill,
        Self::Revenue,
        Self::Paid,
        Self::Refunds,
        Self::SellOuts,
    ];

    /// In addresses and names of files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sales => "sales",
            Self::Fill => "fill",
            Self::Revenue => "revenue",
            Self::Paid => "hold-to-paid",
            Self::Refunds => "refunds",
            Self::SellOuts => "time-to-sell-out",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Sales => &[
                "day",
                "reservations_made",
                "tickets_sold",
                "revenue",
                "currency",
            ],
            Self::Fill => &[
                "concert_id",
                "artist",
                "name",
                "date",
                "tickets_sold",
                "revenue",
                "currency",
                "taken_tickets",
                "total_tickets",
                "fill_percent",
            ],
            Self::Revenue => &["state", "reservations", "tickets", "amount", "currency"],
            Self::Paid => &["paid", "ended", "paid_percent", "pending"],
            Self::Refunds => &["day", "reservations", "tickets", "amount", "currency"],
            Self::SellOuts => &[
                "concert_id",
                "artist",
                "name",
                "date",
                "total_tickets",
                "first_reserved_at",
                "last_reserved_at",
                "seconds",
            ],
        }
    }
}

impl Report {
    /// One of its figures, to take away.
    pub fn table(&self, figure: Figure, currency: &str) -> Table {
        let rows = match figure {
            Figure::Sales => self.sales_rows(currency),
            Figure::Fill => self.fill_rows(currency),
            Figure::Revenue => self.revenue_rows(currency),
            Figure::Paid => vec![self.paid_row()],
            Figure::Refunds => self.refund_rows(currency),
            Figure::SellOuts => self.sell_out_rows(),
        };
        Table {
            columns: figure.columns(),
            rows,
        }
    }

    fn sales_rows(&self, currency: &str) -> Vec<Row> {
        let row = |day: &super::DaySales| {
            let sold = day.sales.sold();
            vec![
                day.day.into(),
                day.sales.all().reservations.into(),
                sold.tickets.into(),
                sold.amount.into(),
                currency.into(),
            ]
        };
        self.days.iter().map(row).collect()
    }

    fn fill_rows(&self, currency: &str) -> Vec<Row> {
        let row = |one: &super::ConcertSales| {
            let (fill, sold) = (one.fill(), one.sales.sold());
            vec![
                one.concert.id.get().into(),
                one.concert.artist.as_str().into(),
                one.concert.name.as_str().into(),
                one.concert.date.into(),
                sold.tickets.into(),
                sold.amount.into(),
                currency.into(),
                fill.part.into(),
                fill.whole.into(),
                percent(fill),
            ]
        };
        self.concerts.iter().map(row).collect()
    }

    fn revenue_rows(&self, currency: &str) -> Vec<Row> {
        let row = |outcome: Outcome| {
            let sum = self.total.of(outcome);
            vec![
                outcome.as_str().into(),
                sum.reservations.into(),
                sum.tickets.into(),
                sum.amount.into(),
                currency.into(),
            ]
        };
        Outcome::ALL.into_iter().map(row).collect()
    }

    fn paid_row(&self) -> Row {
        let share = self.total.held_to_paid();
        vec![
            share.part.into(),
            share.whole.into(),
            percent(share),
            self.total.of(Outcome::Pending).reservations.into(),
        ]
    }

    fn refund_rows(&self, currency: &str) -> Vec<Row> {
        let row = |day: &super::DaySales| {
            let sum = day.sales.given_back();
            vec![
                day.day.into(),
                sum.reservations.into(),
                sum.tickets.into(),
                sum.amount.into(),
                currency.into(),
            ]
        };
        self.days.iter().map(row).collect()
    }

    fn sell_out_rows(&self) -> Vec<Row> {
        let row = |one: &super::ConcertSales| {
            let sold_out = one.sold_out?;
            Some(vec![
                one.concert.id.get().into(),
                one.concert.artist.as_str().into(),
                one.concert.name.as_str().into(),
                one.concert.date.into(),
                one.concert.total_tickets.into(),
                sold_out.first_at.into(),
                sold_out.last_at.into(),
                sold_out.took().as_secs().into(),
            ])
        };
        self.concerts.iter().filter_map(row).collect()
    }
}

fn percent(share: Share) -> Cell {
    share.percent().into()
}
