#!/usr/bin/perl

# « Logo »: a picture is sent, made small by the sandboxed program, prepared with
# the theme, looked at, published, served under a name that is its content's,
# taken back and away.  No SVG, nothing of another town.

use strict;
use warnings;
use utf8;

use Compress::Zlib qw(compress crc32);
use Digest::SHA qw(sha256_hex);
use File::Temp ();

use Portal::Fault qw(as_json);
use Portal::Place qw(slurp spew);
use Portal::Test;

my $portal = portal();
my ($admin) = agent_client(role => 'administrator');
my $desk = as_json($admin);
my ($theme, $page, $preview) = ('/reglages/theme', '/reglages/theme/logo', '/reglages/theme/apercu');
my $dir = File::Temp->newdir;

sub row { scalar $portal->psql($_[0]) }
sub town { row("select $_[0] from portal.town where slug = 'saint-aubin'") }
sub codes { join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub kept { row('select count(*) from portal.logo') }

# a drawing of few colours, with transparency
sub chunk { pack('N', length $_[1]) . $_[0] . $_[1] . pack 'N', crc32("$_[0]$_[1]") }
sub png {
    my ($width, $height, @rgba) = @_;

    return "\x89PNG\r\n\x1a\n" . chunk('IHDR', pack 'NNC5', $width, $height, 8, 6, 0, 0, 0)
        . chunk('tEXt', "Author\0Secret Drawer")
        . chunk('IDAT', compress(join '', map { "\0" . pack('C4', @rgba) x $width } 1 .. $height))
        . chunk('IEND', '');
}
sub made {
    my ($command, $in) = @_;
    spew("$dir/in", $in);
    my $out = `$command $dir/in`;
    die "$command\n" if $? || $out eq '';
    return $out;
}

# as a browser does, the form of the page and a file
sub send_logo {
    my ($c, $bytes, %fields) = @_;

    if ($c == $desk) {
        my $version = $c->get($page)->json->{version};
        return defined $bytes ? send_file($c, $page, { version => $version, %fields }, 'logo', $bytes)
            : json_post($c, $page, { version => $version, %fields });
    }

    my $form = $c->get($page)->form($page);
    my %all = (@{ $form->{fields} }, step => 'check', %fields);
    delete $all{logo};
    my $body = join "\r\n", map({ ('--b', qq(Content-Disposition: form-data; name="$_->[0]"), '',
            Encode::encode('UTF-8', $_->[1])) }
            ['csrf', delete $all{csrf}], map { [$_, $all{$_}] } sort keys %all),
        defined $bytes ? ('--b', 'Content-Disposition: form-data; name="logo"; filename="logo.svg"',
            'Content-Type: image/svg+xml', '', $bytes) : (), '--b--', '';

    return $c->post($page, $body, headers => { 'Content-Type' => 'multipart/form-data; boundary=b' });
}

# the picture in the head of a page, once its worker has heard of the town
sub head {
    my ($c, $wanted) = @_;

    my $img;
    wait_for(20, sub {
        client(source => '127.0.32.2')->get('/session');
        ($img) = $c->get($c->origin =~ /agents/ ? '/connexion' : '/mentions-legales')->content
            =~ m{class="brand"[^>]*><(img [^>]*)>};
        ($img // '') =~ $wanted;
    }) or diag $img;

    return $img;
}


### who may

for my $role (qw(reader validator)) {
    my $c = agent_client($role eq 'reader' ? (as => new_agent(role => 'reader')) : ());
    is $c->get($page)->status, 403, "$role: not $page";
    my $j = as_json($c);
    is $j->post($page, "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n" . $j->get('/session')->json->{csrf}
        . "\r\n--b\r\nContent-Disposition: form-data; name=\"logo\"; filename=\"x\"\r\n\r\n" . png(8, 8, 1, 2, 3, 255)
        . "\r\n--b--\r\n", headers => { 'Content-Type' => 'multipart/form-data; boundary=b' })->status, 403,
        'nor sends one';
}
is client(json => 1)->get($page)->status, 404, 'no page of families';
is kept(), 0, 'nothing is kept of what they sent';


### what is no logo

like $admin->get($theme)->content, qr/href="$page"/, 'it is found';
my $r = $admin->get($page);
like $r->content, qr/<img src="\/static\/logo-saint-aubin\.svg" alt="" width="48" height="48">/, 'the one that is shown';
like $r->content, qr/accept="image\/jpeg,image\/png,image\/webp"/, 'what a browser offers';
unlike $r->content, qr/value="remove"/, 'a file of the host\'s is not taken away here';
$r = send_logo($admin, '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', alt_fr => 'Un phare');
is $r->status, 415, 'a drawing that is a program';
like $r->text, qr/Un dessin SVG est un petit programme : il n’est pas accepté\. Enregistrez-le en PNG\./, 'in words';
like $r->content, qr/id="alt_fr"[^>]*value="Un phare"/, 'what was typed stays';
like $r->content, qr/<p class="error" id="logo-error">/, 'beside the field';
my $good = png(300, 100, 10, 90, 150, 255);
is codes($desk->get($page)) , '', 'a page of its own for programs';
is send_logo($admin, substr($good, 0, 80))->status, 422, 'a picture that is cut';
like send_logo($admin, $good . 'x' x 2_100_000)->text, qr/trop lourd : 2 Mo au plus/, 'one of too many bytes';
like send_logo($admin, substr($good, 0, 16) . pack('NN', 30000, 30000) . substr $good, 24)->text,
    qr/trop de points|abîmée/, 'one of too many points';
is send_logo($admin, 'GIF89a' . 'x' x 40)->status, 415, 'a GIF';
is codes(send_logo($desk, undef)), ':nothing_asked', 'nothing at all';
is kept(), 0, 'nothing of it is kept';
is row('select count(*) from portal.town_theme'), 0, 'and nothing prepared';


### prepared, looked at, published

$r = send_logo($admin, $good, alt_fr => 'Blason : un phare', alt_en => 'A lighthouse');
is $r->location, "$preview?avis=theme_checked", 'a good one is prepared' or diag $r->text;
my ($hash, $bytes) = map { row("select $_ from portal.logo") } 'hash', "encode(bytes, 'hex')";
$bytes = pack 'H*', $bytes;
is sha256_hex($bytes), $hash, 'its name is its content\'s';
like $bytes, qr/\A\x89PNG/, 'a drawing is a PNG';
unlike $bytes, qr/Secret|tEXt/, 'with nothing else in it';
my $url = "/logo/$hash.png";
$r = $admin->get($preview);
like $r->content, qr/<img src="$url" alt="Blason : un phare" width="144" height="48">/, 'as high as the head of the page';
like $r->text, qr/ne voient pas le logo : « Blason : un phare »/, 'what is read aloud, quoted as in French';
like $admin->get($preview, headers => { 'Accept-Language' => 'en' })->text, qr/see the logo: “[^“”«»]+”/, 'and as in English';
like $r->text, qr/Ce logo remplacera celui d’aujourd’hui/, 'and it says so';
like $r->text, qr/« Blason : un phare »/, 'and what is read aloud';
is town('logo'), '/static/logo-saint-aubin.svg', 'families have the one of now';
is client()->get($url)->status, 404, 'nor can they have the other';
is agent_client(as => new_agent(role => 'reader'))->get($url)->status, 404, 'nor another agent';
$r = $admin->get($url);
is $r->content, $bytes, 'the administrator has it';
like $r->header('cache-control'), qr/no-store/, 'and keeps nothing';
is $r->header('etag'), undef, 'under no name';

is $admin->submit($admin->get($preview), { step => 'publish' })->location, "$theme?avis=theme_published", 'published';
is head(client(), qr/$hash/), qq{img src="$url" alt="Blason : un phare" width="144" height="48"}, 'in the head of each page';
ok everywhere(sub { client()->get('/mentions-legales', headers => { 'Accept-Language' => 'en' }, @_) },
    sub { $_[0]->content =~ /<img src="$url" alt="A lighthouse"/ }), 'in English in English';
ok everywhere(sub { $admin->get('/', @_) }, sub { $_[0]->content =~ /<img src="$url" alt="Blason : un phare"/ }), 'also for agents';
is town('theme_css'), '/static/theme-saint-aubin.css', 'a sheet of the host\'s stays: the colours are the same';
is row("select array_to_string(names, ',') from portal.audit where action = 'publish_theme' order by id desc limit 1"),
    'alt,logo', 'the audit says what has changed';

for my $c (client(), $admin) {
    $r = $c->get($url);
    is $r->status, 200, 'everybody has it';
    is $r->content, $bytes, 'as it is';
    is $r->header('content-type'), 'image/png', 'a picture';
    is $r->header('cache-control'), 'public, max-age=31536000, immutable', 'to be kept';
    is $r->header('etag'), qq{"$hash"}, 'under its name';
    is $r->header('vary'), 'Accept, Accept-Encoding', 'by whom does not matter';
    is $r->header('x-content-type-options'), 'nosniff', 'and is nothing else';
    like $r->header('content-security-policy'), qr/default-src 'none'; sandbox/, 'nothing in it runs';
    is $c->get($url, headers => { 'If-None-Match' => qq{"$hash"} })->status, 304, 'who has it has it';
    my $head = $c->request('HEAD', $url);
    is $head->status . ' ' . $head->header('content-length') . $head->content, '200 ' . length($bytes), 'HEAD';
}
is client()->get($_)->status, 404, "no $_" for "/logo/$hash.jpeg", '/logo/' . 'a' x 64 . '.png', "/logo/$hash.svg", '/logo/';
is client()->post($url, {})->status, 405, 'nothing to send there';


### of one town alone

is client(town => 'beaulieu')->get($url)->status, 404, 'another town does not serve it';
is row("select logo from portal.town where slug = 'beaulieu'"), '/static/logo-beaulieu.svg', 'and shows its own';


### a photograph, another picture, the same again

my $noise = do { my $s = 7; join '', map { $s = ($s * 1103515245 + 12345) & 0x7fffffff; chr(($s >> 16) & 255) } 1 .. 3 * 400 * 500 };
my $photo = made('cjpeg -quality 90', "P6\n400 500\n255\n$noise");
is send_logo($admin, $photo)->location, "$preview?avis=theme_checked", 'a photograph';
my $second = row("select '/logo/' || hash || '.' || kind from portal.logo where hash <> '$hash'");
like $second, qr/\.jpeg\z/, 'is a JPEG';
is row("select width || 'x' || height from portal.logo where hash <> '$hash'"), '384x480', 'and small';
like $admin->get($preview)->content, qr/<img src="$second" alt="Blason : un phare" width="38" height="48">/, 'it says the same';
is send_logo($admin, $good)->location, "$preview?avis=theme_checked", 'the first one again';
is kept(), 1, 'what is not used any more is erased';
is $admin->get($second)->status, 404, 'and not to be had';
is codes(send_logo($desk, $good)), ':nothing_asked', 'and the same once more is none';

# one that came with a form that is refused need not come again
my $old = $admin->get($page);
is send_logo($admin, $photo, version => 'x')->status, 409, 'somebody else was faster';
$r = $admin->get($page);
like $r->text, qr/L’image que vous venez d’envoyer est gardée/, 'what was sent is kept';
is $admin->submit($r, { alt_fr => '', alt_en => '', step => 'check' })->location, "$preview?avis=theme_checked", 'and used';
is $desk->get($preview)->json->{logo}, $second, 'it is the one';
is $desk->get($preview)->json->{alt}, undef, 'and nothing is said of it';
is $admin->submit($admin->get($preview), { step => 'publish' })->location, "$theme?avis=theme_published", 'published';
is head(client(), qr/\Q$second\E/), qq{img src="$second" alt="" width="38" height="48"}, 'shown';
is client()->get($url)->status, 200, 'a page that somebody has open has the one of before';
is kept(), 2, 'there are two';


### back, away

is $admin->submit($admin->get($theme), { step => 'former' })->location, "$preview?avis=theme_checked", 'the former one';
is $desk->get($preview)->json->{logo}, $url, 'with its logo';
is $desk->get($preview)->json->{alt}, 'Blason : un phare', 'and what it shows';
is $admin->submit($admin->get($preview), { step => 'drop' })->location, "$theme?avis=theme_dropped", 'dropped';
is town('logo'), $second, 'nothing has changed';
is $admin->submit($admin->get($page), { step => 'remove' })->location, "$preview?avis=theme_checked", 'taken away';
like $admin->get($preview)->content, qr/<img src="\/static\/favicon\.svg" alt="" width="48" height="48">/, 'the portal\'s own sign';
is json_post($desk, $preview, { step => 'publish', version => $desk->get($preview)->json->{version} })->json->{location}, $theme, 'published';
like head(client(), qr/favicon/), qr/alt="" width="48" height="48"/, 'shown';
is client()->get($url)->status, 404, 'the one before the last is gone';
is kept(), 1, 'from the database, too';
is json_post($desk, $page, { alt_fr => 'x' })->status, 428, 'a version is compulsory';
is codes(json_post($desk, $page, { version => $desk->get($page)->json->{version}, step => 'remove' })), ':nothing_asked', 'no more to take away';


### it goes along with the town, and goes with it

is send_logo($admin, $good)->location, "$preview?avis=theme_checked", 'one more';
is $admin->submit($admin->get($preview), { step => 'publish' })->location, "$theme?avis=theme_published", 'published';
like head(client(), qr/$hash/), qr/width="144"/, 'shown';
my $name = town('name');
my $tool = sub {
    my $in = "$dir/town";
    open my $out, '-|', 'sh', '-c', 'exec "$@" < "$0" 2>&1', $in, 'sql/town', @_, $portal->pg->conninfo('postgres') or die;
    local $/;
    return scalar <$out>;
};
spew("$dir/town", '');
my $export = $tool->('export', 'saint-aubin');
is scalar(() = $export =~ /"table": "logo"/g), 1, 'an export has it' or diag substr $export, 0, 300;
like $tool->('erase', 'saint-aubin', $name), qr/"status" : 200/, 'erased';
is row('select count(*) from portal.logo') . row('select count(*) from portal.town_theme'), '00', 'with the town';
spew("$dir/town", $export);
like $tool->('restore'), qr/"status" : 201/, 'read in again';
is town('logo'), $url, 'it shows it';
is row("select count(*) from portal.logo where encode(sha256(bytes), 'hex') = hash"), 1, 'and has it';

done_testing;
