--
-- The queue asks for all that an agent sees at once: what asked request by
-- request is no more.
--

drop function if exists portal.in_queue(portal.change_set);
