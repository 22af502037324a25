//! A concert for search engines: schema.org's `Event` as JSON-LD.

use domain::concert::Concert;
use domain::money::Currency;
use serde_json::json;

use super::{SaleState, poster};
use crate::http::page::Layout;

/// schema.org `Event` with its offer. `<` is escaped, so that no text can end the script element.
pub(super) fn json_ld(
    layout: &Layout,
    concert: &Concert,
    currency: Currency,
    state: SaleState,
) -> String {
    let base = &layout.site.base_url;
    let address = format!(
        "{base}{}",
        layout.href(&format!("/concerts/{}", concert.id))
    );
    let availability = match state {
        SaleState::OnSale => "https://schema.org/InStock",
        SaleState::FewLeft { .. } => "https://schema.org/LimitedAvailability",
        SaleState::SoldOut => "https://schema.org/SoldOut",
        SaleState::Closed | SaleState::Past | SaleState::Cancelled => {
            "https://schema.org/Discontinued"
        }
    };
    let status = if state == SaleState::Cancelled {
        "https://schema.org/EventCancelled"
    } else {
        "https://schema.org/EventScheduled"
    };
    let event = json!({
        "@context": "https://schema.org",
        "@type": "MusicEvent",
        "name": format!("{}: {}", concert.artist, concert.name),
        "startDate": concert.date.to_string(),
        "eventStatus": status,
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "location": { "@type": "Place", "name": concert.venue, "address": concert.venue },
        "performer": { "@type": "MusicGroup", "name": concert.artist },
        "image": [format!("{base}{}", poster(concert))],
        "description": concert.description.as_deref().unwrap_or(&concert.name),
        "url": address,
        "offers": {
            "@type": "Offer",
            "url": address,
            "price": concert.price.to_string(),
            "priceCurrency": currency.as_str(),
            "availability": availability,
        },
    });
    event.to_string().replace('<', "\\u003c")
}
