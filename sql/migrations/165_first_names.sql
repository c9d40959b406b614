--
-- Families of one name are told apart by their children: family_choice() is
-- given their names.
--

drop function if exists portal.family_choice(portal.family);
