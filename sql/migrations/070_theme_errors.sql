--
-- A contrast that is too weak is told beside the colour that was changed.
--

drop function if exists portal.theme_errors(jsonb, jsonb);
