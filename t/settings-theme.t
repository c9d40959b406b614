#!/usr/bin/perl

# « Couleurs et formes »: a theme is prepared, looked at by administrators alone,
# published, and taken back.  Nobody reloads anything.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my ($admin) = agent_client(role => 'administrator');
my $desk = as_json($admin);
my $other = agent_client(json => 1, as => new_agent(role => 'administrator', name => 'Zoé Dupuis'));
my ($page, $preview) = ('/reglages/theme', '/reglages/theme/apercu');

sub row { scalar $portal->psql($_[0]) }
sub town { row("select $_[0] from portal.town where slug = 'saint-aubin'") }
sub codes { join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub audited { row("select coalesce(string_agg(outcome || '(' || array_to_string(names, ',') || ')', ' ' order by id), '')
    from portal.audit where action = 'publish_theme'") }

# a program's change over the version that it has just read
sub change {
    my ($c, $path, %fields) = @_;

    return json_post($c, $path, { version => $c->get($path)->json->{version}, %fields });
}

# what a visitor's browser gets, once its worker has heard of the town
sub sheet {
    my ($wanted) = @_;

    my ($link, $sheet);
    wait_for(20, sub {
        client(source => '127.0.32.2')->get('/session');
        ($link) = client()->get('/mentions-legales')->content =~ m{href="([^"]*theme[^"]*\.css[^"]*)"};
        $sheet = client()->get($link);
        $sheet->content =~ $wanted;
    });

    return $sheet;
}


### who may

for my $role (qw(reader validator)) {
    my $c = agent_client($role eq 'reader' ? (as => new_agent(role => 'reader')) : ());
    is $c->get($_)->status, 403, "$role: not $_" for $page, $preview, "$preview.css";
    my $j = as_json($c);
    is $j->post($_, { csrf => $j->get('/session')->json->{csrf}, version => 'x' })->status, 403,
        "nor changes $_" for $page, $preview;
}
is client(json => 1)->get($_)->status, 404, "$_ is no page of families" for $page, $preview, "$preview.css";


### a person, without scripts

my $r = $admin->get('/reglages');
like $r->content, qr/href="$page"/, 'it is found';
$r = $admin->get($page);
like $r->content, qr/id="brand"[^>]*value="#0f5257"/, 'the colours that are shown';
like $r->content, qr/<rect[^>]*fill="#0f5257"/, 'and seen';
like $r->content, qr/name="radius" type="radio" value="large" checked/, 'the form in words';
unlike $r->content, qr/value="own"/, 'nothing is the host\'s own';
unlike $r->content, qr/value="former"/, 'there is no former one';
is $admin->get($preview)->status, 404, 'nor anything prepared';
is $admin->get("$preview.css")->status, 404, 'nor its sheet';

$r = $admin->submit($r, { brand => '#5fa8ad', accent => 'rouge' });
is $r->status, 422, 'a word is no colour';
like $r->text, qr/Saisissez la couleur en six chiffres ou lettres de A à F/, 'in words';
like $r->content, qr/id="accent"[^>]*value="rouge"/, 'and what was typed';
$r = $admin->submit($admin->get($page), { brand => '#5fa8ad' });
is $r->status, 422, 'a colour that is too pale';
like $r->text, qr/Couleur principale\s*:\s*La couleur principale se lit mal sur le fond des pages[^.]*\. Contraste de 2,50 ; il en faut 4,5\./,
    'with what, and the contrast' or diag $r->text;
like $r->content, qr/<p class="error" id="brand-error">.*?2,50.*?<\/p>/, 'beside it';
unlike $r->content, qr/id="(?:brand_light|on_brand|accent|brand_dark)-error"/, 'and not beside those that stayed as they were';
is scalar(() = $r->content =~ /<p class="error"/g), 1, 'one message, for whatever is too weak by it';
my $pairs = sub { my $j = as_json($admin); codes(change($desk, $page, @_)) };
is $pairs->(brand => '#3a7a7f', accent => '#5a8a3a'), 'accent:weak_brand', 'both of a pair: the one that stands on the other';
is $pairs->(accent => '#5a8a3a'), 'accent:weak_brand', 'the bright colour: its partner is named';
is $pairs->(brand_light => '#8fb8b6'), 'brand_light:weak_ink', 'the light colour: the one that lacks most';
is $pairs->(brand_dark => '#4a7a7e'), 'brand_dark:weak_light', 'the dark colour, which the light one is under';
is $pairs->(on_brand => '#6f8f91', brand_light => '#c0c0c0'), 'brand_light:weak_ink on_brand:weak_brand', 'two that were changed: one each';
is row('select count(*) from portal.town_theme'), 0, 'nothing is kept';
like as_json($admin)->post($page, { version => $desk->get($page)->json->{version}, brand => '#5fa8ad' },
    headers => { 'Accept-Language' => 'en', 'X-CSRF-Token' => $desk->get('/session')->json->{csrf} })->json->{errors}[0]{message},
    qr/Contrast 2\.50; 4\.5 is needed/, 'in English with a point';

my %violet = (brand => '5B2A86', brand_dark => '#3a1a58', brand_light => '#f1e9f8', radius => 'none', font_title => 'serif');
$r = $admin->submit($admin->get($page), \%violet);
is $r->location, "$preview?avis=theme_checked", 'a good one is prepared' or diag $r->text;
$r = $admin->get($r->location);
like $r->text, qr/rien n’est encore publié/, 'and not published';
like $r->content, qr{<link rel="stylesheet" href="/reglages/theme/apercu\.css\?v=\w+">}, 'it is looked at';
my ($link) = $r->content =~ m{href="(/reglages/theme/apercu\.css\?v=\w+)"};
my $css = $admin->get($link);
like $css->header('content-type'), qr{^text/css}, 'a sheet';
like $css->content, qr/--brand: #5b2a86;.*--radius: 0;.*--font-title: Georgia/s, 'with its colours and forms';
like $css->header('cache-control'), qr/no-store/, 'that nobody keeps';
like $r->text, qr/Couleur principale Avec du blanc [0-9]+,[0-9]{2} 4,5/, 'and the contrasts';
unlike $r->content, qr/ style=/, 'no style but the sheet\'s';
is town('theme_css'), '/static/theme-saint-aubin.css', 'families have the former sheet';
unlike client()->get('/theme.css?v=12345678')->header('cache-control') // '', qr/public|max-age=[1-9]/,
    'what a worker does not know yet is kept by nobody under its name';
is town("theme->>'brand'"), '#0f5257', 'and its colours';
is audited(), '', 'no change yet';
like $admin->get($page)->content, qr/id="brand"[^>]*value="#5b2a86"/, 'it goes on from there';
like $admin->get($page)->text, qr/Un thème est en préparation/, 'and says so';
is $other->get($preview)->json->{values}{brand}, '#5b2a86', 'other administrators see it';
is agent_client(json => 1, as => new_agent(role => 'reader'))->get("$preview.css")->status, 403, 'no other agent';

my $version = town('version');
$r = $admin->submit($admin->get($preview), { step => 'publish' });
is $r->location, "$page?avis=theme_published", 'published' or diag $r->text;
like $admin->get($r->location)->text, qr/toutes les pages le montrent/, 'and says so';
cmp_ok town('version'), '>', $version, 'workers hear of it';
is audited(), 'ok(brand,brand_dark,brand_light,font_title,radius)', 'one row, with the names of what is another';
like sheet(qr/#5b2a86/)->content, qr/--brand: #5b2a86;/, 'visitors have it, and nothing was reloaded';
is $admin->get($preview)->status, 404, 'nothing is prepared any more';
is row("select theme->>'brand' from portal.town where slug = 'beaulieu'"), '#7a1f3d', 'another town keeps its own';


### back to the one of before

$r = $admin->get($page);
like $r->text, qr/Thème précédent/, 'there is one';
$r = $admin->submit($r, { step => 'former' });
is $r->location, "$preview?avis=theme_checked", 'it is looked at first' or diag $r->text;
is $desk->get($preview)->json->{values}{brand}, '#0f5257', 'as it was';
is $admin->submit($admin->get($preview), { step => 'publish' })->location, "$page?avis=theme_published", 'published';
like sheet(qr/#0f5257/)->content, qr/--brand: #0f5257;.*--radius: .75rem;.*--arch: 14rem;\n\}/s, 'it is the same again';
is row("select theme->>'brand' from portal.town_theme where state = 'former'"), '#5b2a86', 'and the other can come back';


### a program, and two administrators

my $doc = $desk->get($page);
is $doc->header('etag'), '"' . $doc->json->{version} . '"', 'the version is the ETag';
is json_post($desk, $page, { brand => '#5b2a86' })->status, 428, 'a version is compulsory';
is codes(change($desk, $page, brand => '#0F5257')), ':nothing_asked', 'as it is';
is codes(change($desk, $page, radius => 'own')), 'radius:choice', 'what the host has not set cannot be chosen';
is codes(change($desk, $page, font => 'Comic Sans')), 'font:unknown_field', 'no other font';
is codes(change($desk, $page, step => 'former', brand => '#ffffff')), '', 'the former one is what it is';
is $desk->get($preview)->json->{values}{brand}, '#5b2a86', 'whatever else was sent';
is codes(change($desk, $preview)), ':nothing_asked', 'what is to be done with it?';
my $mine = $admin->get($preview);
is change($other, $page, accent => '#ffcc00')->status, 200, 'another administrator changes it';
$r = $admin->submit($mine, { step => 'publish' });
is $r->status, 409, 'what one has not seen is not published';
like $r->text, qr/Une autre personne vient de changer ces réglages/, 'in words';
is change($desk, $preview, step => 'drop')->json->{location}, $page, 'dropped';
is row("select count(*) from portal.town_theme where state = 'draft'"), 0, 'it is gone';
is town("theme->>'brand'"), '#0f5257', 'and nothing has changed';
my %token = ('X-CSRF-Token' => $desk->get('/session')->json->{csrf});
is $desk->post($preview, { step => 'publish', version => 'x' }, headers => { %token })->status, 409, 'nor is anything published';
is $desk->post($preview, { step => 'publish', version => $desk->get($page)->json->{version} }, headers => { %token })->status,
    404, 'that there is not';

# what the operator has set by hand may stay
$portal->psql(q{update portal.town set theme = theme || '{"radius": "1.25rem"}' where slug = 'saint-aubin'});
$r = $admin->get($page);
like $r->content, qr/name="radius" type="radio" value="own" checked/, 'the host\'s own is offered';
is $admin->submit($r, { accent => '#ffcc00' })->location, "$preview?avis=theme_checked", 'and kept';
like $desk->get($preview)->json->{sheet}, qr/--radius: 1.25rem;/, 'as it is';

# it goes along with the town, and goes with it
is row("select count(*) from portal.export_town('saint-aubin') x where x->>'table' = 'town_theme'"), 2, 'an export has them';

done_testing;
