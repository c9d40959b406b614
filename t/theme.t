#!/usr/bin/perl

# The style sheets of the demo's towns are what their themes say: the contrast
# that the database checks is the one on the screen.

use strict;
use warnings;

use Portal::Place qw(slurp);
use Portal::Test;

my $portal = portal();

for my $town (qw(saint-aubin beaulieu)) {
    my $made = $portal->psql("select replace(portal.theme_sheet(theme), chr(10),
        '|') from portal.town where slug = '$town'");
    is slurp(top() . "/src/static/theme-$town.css") =~ tr/\n/|/r, $made,
        "the sheet of $town";
}

# and what the check takes for the paper, the ground and the inks is so
my $sheet = slurp(top() . '/src/static/portal.css');
my $check = slurp(top() . '/sql/migrations/056_theme.sql');
my %named = $sheet =~ /--(ink|ink-2|ground|paper): (#[0-9a-f]+);/g;

for my $name (sort keys %named) {
    my $colour = $named{$name} =~ s/^#(.)(.)(.)$/#$1$1$2$2$3$3/r;
    like $check, qr/'\Q$colour\E'/, "the check knows --$name";
}
is scalar keys %named, 4, 'four of them';

# of the brand on its light tone no contrast of a text is checked: signs and borders are
like $sheet, qr/:is\(\.notice, \.switch, \.asked\) a:not\(\.button\) \{ color: inherit \}/, 'links of a notice have the colour of its text';

done_testing;
