#!/usr/bin/perl

# The form types of the family file through the front door, in a form of the
# test's own: how each is shown, what comes back filled, what goes on.

use strict;
use warnings;
use utf8;

use Encode ();
use File::Copy ();
use File::Temp ();
use JSON::PP ();

use Portal::Place qw(spew);
use Portal::Test;

my $NB = "\x{a0}";

# name => [words, good as typed, value of JSON, wrong, code]
my @fields = (
    [phone => 'phone autocomplete=tel', '06 12 34 56 78', '+33612345678',
        '06 12', 'phone_format'],
    [mobile => 'phone mobile', '0692 12 34 56', '+262692123456',
        '01 23 45 67 89', 'phone_mobile'],
    [postcode => 'postcode country=country autocomplete=postal-code', 'SW1A 1AA',
        'SW1A 1AA', '!', 'postcode_abroad'],
    [country => 'country', 'GB', 'GB', 'XX', 'country'],
    [iban => 'iban', "fr76 3000${NB}6000 0112 3456 7890 189",
        'FR7630006000011234567890189', 'FR76 3000 6000 0112 3456 7890 188',
        'iban_key'],
    [bic => 'bic', 'bnpafrpp', 'BNPAFRPP', 'BNPA', 'bic_format'],
    [tax => 'tax_number', '30 23 217 600 053', '3023217600053',
        '30 23 217 600 054', 'tax_number_key'],
    [notice_ref => 'tax_notice', '25 1a 1234567 89', '251A123456789', 'x',
        'tax_notice_format'],
    [caf => 'caf_number', '1234567 K', '1234567', '12345678',
        'caf_number_format'],
    [shares => 'shares', '2,5', '2.5', '2,3', 'shares_format'],
    [price => 'cents', "1${NB}234,50 €", 123450, 'x', 'cents_format'],
    [tint => 'colour', '0F5257', '#0f5257', '#0f525', 'colour_format'],
    [income => 'integer max=9999999', "12\x{202f}345", 12345, '12,3',
        'integer_format'],
    [born => 'date age=0..17', '4/3/2019', '2019-03-04', '4/3/1950',
        'age_high'],
    [health => 'lines refuse=nir,belief max=500', "pollen\r\n\r\nnoix <b>",
        "pollen\n\nnoix <b>", "noix\n1 85 05 78 006 084", 'private_nir'],
    [needs => 'text refuse=handicap max=100', 'un endroit calme',
        'un endroit calme', 'enfant autiste', 'private_handicap'],
    [swims => 'yesno', 'yes', 'yes', 'oui', 'choice'],
    [sex => 'choice options=f,m', 'f', 'f', 'x', 'choice'],
    [level => 'choice options=tps,ps,ms,gs,cp,ce1', 'cp', 'cp', 'x', 'choice'],
);

my $dir = File::Temp->newdir;
chmod 0755, $dir;
mkdir "$dir/$_" for qw(forms templates templates/icon templates/mail);
for my $file (map { glob } 'conf.d/portal/forms/*', 'src/templates/*.mustache',
    'src/templates/*/*.mustache')
{
    my ($to) = $file =~ m{(?:portal|src)/(.*)};
    File::Copy::copy($file, "$dir/$to") or die "$file: $!";
}
spew("$dir/forms/types.form", join '', map { "field $_->[0] $_->[1]\n" }
    @fields);
spew("$dir/forms/part.form", join '', map({ "field $_->[0] $_->[1]\n" }
    @fields), "field last_name name required\npartial\n");
spew("$dir/forms/limits.form", <<'END');
field place text min=3 max=20
field who name max=12
field words lines max=30 lines=2
field email email
END
spew("$dir/templates/types.mustache", <<'END');
{{<layout}}
{{$title}}Types{{/title}}
{{$content}}
<form method="post" action="{{form.action}}" novalidate>
{{>csrf}}
{{#form.fields}}{{>field}}{{/form.fields}}
<button class="button" type="submit">OK</button>
</form>
{{/content}}
{{/layout}}
END

my %want = map { $_->[0] => $_->[3] } @fields;
my $kept = JSON::PP->new->encode({ status => 200, values => \%want });

my $portal = Portal::Stack->new(directives => {
    portal_forms => "$dir/forms", portal_templates => "$dir/templates" },
    server => join(' ', map { "location = /t/$_ { portal_allow public;
        portal_page types; portal_post t_echo $_; }" } qw(types part limits)) . "
        location = /t/kept { portal_allow public; portal_get t_kept types;
            portal_post t_echo types; }");
$portal->prepare;
$portal->start_database;
$portal->psql("create function portal.t_echo(input jsonb) returns json
    language plpgsql as 'begin return json_build_object(''status'', 200,
    ''got'', input - ''_''); end';
    create function portal.t_kept(input jsonb) returns json
    language plpgsql as 'begin return \$t\$$kept\$t\$::json; end';
    grant execute on function portal.t_echo(jsonb), portal.t_kept(jsonb)
        to portal_web");
$portal->start_redis;
$portal->start_mail;
$portal->start_nginx;
Portal::Test::adopt($portal);
wait_for(10, sub { client()->get('/t/types')->status == 200 });

my $c = client();
my $j = client(json => 1);
my %good = map { $_->[0] => $_->[2] } @fields;

sub sent {
    my ($path, $fields, %o) = @_;

    return $c->submit($c->get($path), { map { $_ => defined $fields->{$_}
        ? Encode::encode('UTF-8', $fields->{$_}) : undef } keys %$fields }, %o);
}

# the date goes in one field, as a program would
sub whole { return ({ %{ $_[0] }, map { ("born_$_" => undef) } qw(day month year) }) }


### how they are shown

my $page = $c->get('/t/types');
my $html = $page->content;

for (['phone', qr/type="tel" inputmode="tel"/],
    ['phone', qr/autocomplete="tel"/], ['income', qr/inputmode="numeric"/],
    ['price', qr/inputmode="decimal"/], ['shares', qr/inputmode="decimal"/],
    ['postcode', qr/type="text" maxlength|type="text"(?!.*inputmode)/],
    ['tax', qr/inputmode="numeric"/], ['needs', qr/maxlength="100"/],
    ['iban', qr/autocapitalize="characters"/],
    ['iban', qr/aria-describedby="iban-hint"/])
{
    my ($name, $has) = @$_;
    my ($tag) = $html =~ /(<input id="$name"[^>]*>)/;
    like $tag // '', $has, "$name is shown with $has";
    unlike $tag // '', qr/pattern=/, "$name: no pattern";
}
like $html, qr/<p class="hint" id="iban-hint">[^<]*FR76/, 'a hint of its type';
like $html, qr/<textarea id="health" name="health" rows="5" maxlength="500"/,
    'several lines';
{
    my ($list) = Encode::decode('UTF-8', $html)
        =~ m{<select id="country"(.*?)</select>}s;
    my @codes = $list =~ /<option value="(\w+)"/g;
    like "@codes", qr/^AF ZA AL DZ DE AD AO .*\bES EE SZ US ET FJ FI FR GA\b/,
        'countries in the order of their French names';
}
like $html, qr/<select id="level"/, 'many answers: a list';
like $html, qr{<legend>Sexe|<legend>sex}i, 'few answers: a group';
is scalar(() = $html =~ /<input id="sex[^"]*" name="sex" type="radio"/g), 3,
    'an optional one may be left';
is scalar(() = $html =~ /<input id="swims[^"]*" name="swims" type="radio"/g), 3,
    'yes, no, unanswered';
like $html, qr/value="unanswered" checked/, 'unanswered at first';
{
    my %id;
    my @twice = grep { $id{$_}++ } $html =~ / id="([^"]+)"/g;
    is "@twice", '', 'no id twice';
}


### what goes on

my $r = sent('/t/types', whole(\%good), headers => { Accept => 'application/json' });
is $r->status, 200, 'all good' or diag $r->text;
is_deeply $r->json->{got}, \%want, 'as the function gets them';

$r = json_post($j, '/t/types', \%want);
is $r->status, 200, 'JSON: what was read may be sent back' or diag $r->text;
is_deeply $r->json->{got}, \%want, 'and is the same';

# nothing at all: null, and a yesno unanswered
$r = sent('/t/types', {}, headers => { Accept => 'application/json' });
is_deeply $r->json->{got}, { map { $_->[0] => $_->[0] eq 'swims' ? 'unanswered'
    : undef } @fields }, 'left empty';


### what is wrong, in both languages

for my $lang (qw(fr en)) {
    my $who = { 'Accept-Language' => $lang };

    for (@fields) {
        my ($name, $words, undef, undef, $wrong, $code) = @$_;

        my $bad = { %good, $name => $wrong };
        my $json = sent('/t/types', whole($bad),
            headers => { %$who, Accept => 'application/json' });
        is $json->status, 422, "$lang $name: refused";
        my ($error) = grep { $_->{field} eq $name } @{ $json->json->{errors} };
        is_deeply [@$error{qw(field code)}], [$name, $code], "$lang $name: $code";
        like $error->{message}, $lang eq 'fr'
            ? qr/\b(?:comme|exemple)\b/ : qr/\b(?:like|as|example)\b/,
            "$lang $name: with an example";

        my $shown = sent('/t/types', whole($bad), headers => $who);
        my $text = Encode::decode('UTF-8', $shown->content);
        like $text, qr/<p class="error" id="$name-error">/,
            "$lang $name: beside it";
        like $text, qr/<a href="#$name">/, "$lang $name: in the summary";
        like $text, qr/ id="$name"/, "$lang $name: the summary leads there";
    }
}

# a text that is too long or too short: the limit is that of the field
for (['place', 'x' x 21, 'too_long', '20 caractères au plus', '20 characters at most'],
    ['place', 'x' x 9000, 'too_long', '20 caractères au plus', '20 characters at most'],
    ['place', 'x', 'too_short', '3 caractères au moins', '3 characters at least'],
    ['who', 'x' x 13, 'too_long', '12 caractères au plus', '12 characters at most'],
    ['words', 'x' x 31, 'too_long', '30 caractères au plus', '30 characters at most'],
    ['words', "a\nb\nc", 'too_many_lines', '2 au plus', '2 at most'],
    ['email', 'x@' . 'a.' x 130 . 'fr', 'too_long', '254 caractères au plus',
        '254 characters at most'])
{
    my ($name, $wrong, $code, %says) = (@$_[0 .. 2], fr => $_->[3], en => $_->[4]);

    for my $lang (qw(fr en)) {
        my $who = { 'Accept-Language' => $lang };
        my $as = "$lang $name $code";
        my $html = sent('/t/limits', { $name => $wrong }, headers => $who);
        like $html->text, qr/\Q$says{$lang}\E/, "$as: the limit";
        unlike $html->text, qr/[{}]/, "$as: in full";
        my $json = sent('/t/limits', { $name => $wrong },
            headers => { %$who, Accept => 'application/json' })->json->{errors}[0];
        is_deeply [@$json{qw(field code)}], [$name, $code], "$as: JSON";
        like $json->{message}, qr/\Q$says{$lang}\E/, "$as: JSON, the limit";
    }
}

# an accent in an address is wrong on both sides of the @
for my $wrong ('hélène@exemple.fr', 'mairie@école.fr') {
    for (['fr', qr/une adresse sans accent, comme helene\@exemple\.fr/],
        ['en', qr/an address without accents, like helene\@example\.com/])
    {
        my ($lang, $says) = @$_;
        like sent('/t/limits', { email => $wrong }, headers => { 'Accept-Language' => $lang })->text,
            $says, "$lang $wrong: what is wrong with it";
    }
}

$r = sent('/t/types', whole({ %good, phone => '06 12' }));
my %back = @{ $r->form->{fields} };
for my $name (grep { $_ ne 'born' } keys %good) {
    my $typed = $name eq 'phone' ? '06 12' : $good{$name} =~ s/\r//gr;
    is $back{$name}, $typed, "$name comes back as typed";
}
is join('/', map { $back{"born_$_"} } qw(day month year)), '04/03/2019',
    'the date in its boxes';
unlike $r->content, qr/noix <b>/, 'escaped in its box';

$r = sent('/t/types', { country => 'BR', phone => 'x' });
like $r->content, qr/<option value="BR" selected>/, 'the country chosen';
$r = sent('/t/types', { country => 'GP', phone => 'x' });
like $r->content, qr/<option value="GP" selected>GP</, 'by its code, if it must';


### what the file holds, shown and sent again untouched, is the same

$page = $c->get('/t/kept');
my %open = @{ $page->form->{fields} };
like $open{phone}, qr/^06.12.34.56.78$/, 'a telephone as it is dialled';
like $open{mobile}, qr/^06.92.12.34.56$/, 'overseas too';
is $open{price}, '1234,50', 'an amount in euros';
is $open{shares}, '2,5', 'shares with a comma';
is $open{income}, '12345', 'a number';
$r = $c->submit($page, {}, headers => { Accept => 'application/json' });
is_deeply $r->json->{got}, \%want, 'sent untouched';


### a form of which only a part is sent

$r = json_post($j, '/t/part', { phone => '0612345678', iban => undef });
is_deeply $r->json->{got}, { phone => '+33612345678', iban => undef },
    'what is not sent is not asked, null empties';
$r = json_post($j, '/t/part', { last_name => '' });
is $r->json->{errors}[0]{code}, 'required', 'what is required is not emptied';
$r = json_post($j, '/t/part', { nothing => 1 });
is $r->json->{errors}[0]{code}, 'unknown_field', 'nor is anything else let in';

done_testing;
