package Portal::Page;

# One answer of nginx: status, headers, content, and the forms in it.

use strict;
use warnings;

use Encode ();
use JSON::PP ();


sub parse {
    my ($class, $answer, $path, $is_head) = @_;

    my $self = bless { raw => $answer, path => $path, list => [] }, $class;

    while ($answer =~ s{^HTTP/1\.[01] (\d{3})[^\r\n]*\r\n(.*?)\r\n\r\n}{}s) {
        my ($status, $head) = ($1, $2);
        next if $status == 100;
        $self->{status} = $status;
        $self->{list} = [ map { /^([^:]+):\s*(.*)/ ? [lc $1, $2] : () }
            split /\r\n/, $head ];
        last;
    }

    $self->{status} //= 0;      # the connection ended without an answer
    $answer = _unchunk($answer)
        if ($self->header('transfer-encoding') // '') eq 'chunked'
            && !$is_head;
    $self->{content} = $answer;

    return $self;
}

sub _unchunk {
    my ($in) = @_;
    my $out = '';

    while ($in =~ s/^([0-9A-Fa-f]+)[^\r\n]*\r\n//) {
        my $n = hex $1 or return $out;
        $out .= substr $in, 0, $n, '';
        $in =~ s/^\r\n//;
    }

    return $out . '[cut]';
}


sub status   { $_[0]{status} }
sub content  { $_[0]{content} }         # bytes
sub took     { $_[0]{took} }
# where it leads, without the place in the page there
sub location {
    my ($self) = @_;
    my $to = $self->header('location');

    return defined $to ? $to =~ s/#.*//r : undef;
}

sub headers {
    my ($self, $name) = @_;

    return map { $_->[0] eq lc $name ? $_->[1] : () } @{ $self->{list} };
}

sub header {
    my ($self, $name) = @_;

    return ($self->headers($name))[0];
}

sub json {
    my ($self) = @_;

    return $self->{json} //= JSON::PP->new->utf8->decode($self->{content});
}

sub title {
    my ($self) = @_;

    my ($title) = $self->{content} =~ m{<title>(.*?)</title>}s;

    return _decode($title // '');
}

# what a person reads, as characters; spaces of all kinds are one
sub text {
    my ($self) = @_;

    my $text = $self->{content};

    $text =~ s{<(script|style|head)\b.*?</\1>}{ }gs;
    $text =~ s{<wbr>}{}g;               # no sign, also where the line breaks at it
    $text =~ s{<[^>]*>}{ }g;
    $text = _decode($text);
    $text =~ s/[\s\x{a0}\x{202f}]+/ /g;

    return $text;
}

# { href => text } of the page's links
sub links {
    my ($self) = @_;
    my %links;

    while ($self->{content} =~ m{<a\b([^>]*)>(.*?)</a>}gs) {
        my ($text, %a) = ($2, _attributes($1));
        $text =~ s/<[^>]*>/ /g;
        $text = _decode($text) =~ s/\s+/ /gr =~ s/^ | $//gr;
        $links{ $a{href} } //= $text if defined $a{href};
    }

    return \%links;
}


# what the summary of errors leads to that is not there, or that no keyboard
# gets to
sub dead_ends {
    my ($self) = @_;

    my ($summary) = $self->{content} =~ m{<div class="errors"(.*?)</div>}s or return;
    my %there;

    while ($self->{content} =~ m{<([a-z][a-z0-9]*)\b([^>]*)>}g) {
        my ($tag, %a) = ($1, _attributes($2));
        next if !defined $a{id};
        $there{ $a{id} } = exists $a{tabindex} || $tag =~ /^(?:select|textarea|button|summary)$/
            || $tag eq 'a' && exists $a{href}
            || $tag eq 'input' && ($a{type} // '') ne 'hidden';
        $there{ $a{id} } = 0 if exists $a{disabled};
    }

    return grep { !$there{$_} } $summary =~ /href="#([^"]*)"/g;
}

# the first form whose action holds the text, those of the page's top apart:
# { action, method, fields => [name, value, ...], buttons => [[name, value]] }
sub form {
    my ($self, $which) = @_;

    for my $form ($self->forms) {
        next if !defined $which && ($form->{method} eq 'dialog'
            || $form->{action} =~ m{^/(?:deconnexion|langue|famille/choix)});
        next if defined $which && index($form->{action}, $which) < 0;
        return $form;
    }

    return;
}

sub forms {
    my ($self) = @_;
    my @forms;

    while ($self->{content} =~ m{<form\b([^>]*)>(.*?)</form>}gs) {
        my ($inside, %a) = ($2, _attributes($1));
        push @forms, { action => $a{action} // '', _fields($inside),
            method => lc($a{method} // 'get') };
    }

    return @forms;
}

sub _fields {
    my ($html) = @_;
    my (@fields, @buttons);

    while ($html =~ m{<(input|button|textarea|select)\b([^>]*)>}g) {
        my ($tag, %a) = ($1, _attributes($2));
        my $type = lc($a{type} // 'text');

        next if !defined $a{name};
        if ($tag eq 'button') {
            push @buttons, [$a{name}, $a{value} // ''];
            next;
        }
        next if $type =~ /^(?:radio|checkbox)$/ && !exists $a{checked};

        my $value = $a{value};
        if ($tag eq 'textarea') {
            ($value) = substr($html, pos $html) =~ m{^\n?(.*?)</textarea>}s;
            $value = _decode($value);
        } elsif ($tag eq 'select') {
            my ($options) = substr($html, pos $html) =~ m{^(.*?)</select>}s;
            my ($chosen) = $options =~ m{<option\b([^>]*\bselected[^>]*)>};
            $value = { _attributes($chosen // '') }->{value};
        }
        push @fields, $a{name}, $value // '';
    }

    return (fields => \@fields, buttons => \@buttons);
}

sub _attributes {
    my ($text) = @_;
    my %a;

    while ($text =~ m{([\w:-]+)(?:="([^"]*)")?}g) {
        $a{$1} = defined $2 ? _decode($2) : '';
    }

    return %a;
}

sub _decode {
    my ($text) = @_;

    my %named = (lt => '<', gt => '>', quot => '"', amp => '&');

    $text = Encode::decode('UTF-8', $text) if !utf8::is_utf8($text);
    $text =~ s/&(?:#(\d+)|#x([0-9a-f]+)|(lt|gt|quot|amp));/
        defined $1 ? chr $1 : defined $2 ? chr hex $2 : $named{$3}/gei;

    return $text;
}


1;
