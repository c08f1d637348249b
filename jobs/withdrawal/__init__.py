"""Taking material back: releases stop at once, then everything made of it goes, and a signed receipt says so."""
