--
-- A program whose cursor is ahead of the feed is told so.
--

grant select on sequence portal.change_position to portal_api;
