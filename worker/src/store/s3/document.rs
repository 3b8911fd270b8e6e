//! XML documents, as far as the SDK's decoder does not look at them.

/// True for a document that ends with the end of its root element. The SDK's
/// decoder takes every document as ended where its bytes end, and a body that
/// ends with its connection shows no other sign.
pub(super) fn is_complete(body: &[u8]) -> bool {
    let Some((name, tag, rest)) = str::from_utf8(body).ok().and_then(opened) else {
        return false;
    };
    if tag.ends_with('/') {
        return rest.is_empty();
    }
    let end = rest.strip_suffix('>').map(str::trim_end);
    let end = end.and_then(|end| end.strip_suffix(name));
    end.is_some_and(|end| end.ends_with("</"))
}

/// True for a complete document whose root element has this name, whatever its
/// namespace's prefix.
pub(super) fn is_rooted_in(body: &[u8], name: &str) -> bool {
    let root = str::from_utf8(body).ok().and_then(opened);
    let is_named = root.is_some_and(|(root, ..)| root.rsplit(':').next() == Some(name));
    is_named && is_complete(body)
}

/// The root element's name, the inside of its first tag, and what follows.
fn opened(document: &str) -> Option<(&str, &str, &str)> {
    let (tag, rest) = root_element(document)?.split_once('>')?;
    let name = tag.trim_start_matches('<');
    let name = name.split(|c: char| c.is_whitespace() || c == '/').next()?;
    (!name.is_empty()).then_some((name, tag, rest))
}

/// A document from its root element on. S3 sends white space before it, to
/// keep a connection alive while it copies.
fn root_element(document: &str) -> Option<&str> {
    let mut rest = document.trim_start_matches('\u{feff}').trim();
    loop {
        let end = match rest {
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!--") => "-->",
            _ if rest.starts_with("<!") => ">",
            _ => return rest.starts_with('<').then_some(rest),
        };
        rest = rest.split_once(end)?.1.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_complete_with_the_end_of_its_root() {
        for whole in [
            "<Tagging/>",
            "<Tagging />",
            "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>\n",
            "<Tagging><TagSet/></Tagging>",
            "<t:Tagging xmlns:t='x'><t:TagSet></t:TagSet></t:Tagging >\n",
            "\u{feff}<?xml version=\"1.0\"?>\n<!-- > --><!DOCTYPE Tagging>\n \n<Tagging></Tagging>",
        ] {
            assert!(is_complete(whole.as_bytes()), "{whole}");
        }
    }

    #[test]
    fn no_part_of_a_document_is_complete() {
        let whole = "<?xml version=\"1.0\"?>\n <!-- <a/> --> <Tagging xmlns=\"x\"><TagSet><Tag><Key>\
                     </Tagging </Key><Value>/></Value></Tag><Tag/><XTagging></XTagging></TagSet>\
                     </Tagging>";
        assert!(is_complete(whole.as_bytes()));
        for end in 0..whole.len() {
            assert!(!is_complete(&whole.as_bytes()[..end]), "{}", &whole[..end]);
        }
        for other in [
            "{}", "ok", "</>", "<>", "<></>", "< />", "<a/><b/>", "<a/>b",
        ] {
            assert!(!is_complete(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_document_is_known_by_its_root() {
        assert!(is_rooted_in(
            b"<?xml version=\"1.0\"?><Error><Code>a</Code></Error>",
            "Error"
        ));
        assert!(is_rooted_in(b"<s:Error xmlns:s='x'></s:Error>", "Error"));
        assert!(!is_rooted_in(b"<html><Error></Error></html>", "Error"));
        assert!(!is_rooted_in(b"<Error><Code>a</Code>", "Error"));
        assert!(!is_rooted_in(b"no", "Error"));
    }
}
